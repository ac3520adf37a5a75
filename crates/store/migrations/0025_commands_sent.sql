-- What is under way is few, whatever was carried before: whether a crash left some of it is asked at
-- every turn.
CREATE INDEX commands_sent ON commands (target, lane, conversation) WHERE state = 'sent';
