trueup_connect::conformance!(trueup_woocommerce::CONNECTOR);
