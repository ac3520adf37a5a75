trueup_connect::conformance!(trueup_odoo_pos::CONNECTOR);
