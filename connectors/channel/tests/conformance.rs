trueup_connect::conformance!(trueup_channel::CONNECTOR);
