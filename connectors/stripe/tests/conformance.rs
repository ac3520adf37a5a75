trueup_connect::conformance!(trueup_stripe::CONNECTOR);
