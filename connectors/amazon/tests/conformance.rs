//! The suite that every connector passes.

trueup_connect::conformance!(trueup_amazon::CONNECTOR);
