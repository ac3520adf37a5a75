-- What is under way is looked at at every turn; what was said in it, which is long, only when it goes on.
CREATE INDEX conversations_kept ON conversations (connection, started_at, id, lane, step, wait_until);
