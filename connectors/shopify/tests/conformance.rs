trueup_connect::conformance!(trueup_shopify::CONNECTOR);
