//! What goods become in `load()`: lines of a planned move, or a transfer that brings them back.

use trueup_connect::CallError;
use trueup_domain::command::{CommandKind, GoodsContent};

use super::Taken;
use super::stock::{Share, Stock};
use crate::external_id;
use crate::load::{Line, Table};
use crate::outcome::refused;

/// A line of a planned move: units that left. It is the record that carries the key, because it
/// stays when Odoo splits the move and plans the rest anew.
const LEFT: &[&str] =
    &["id", "move_id/.id", "picking_id/.id", "product_id/.id", "quantity", "picked"];
const RETURN: &[&str] = &[
    "id",
    "picking_type_id/.id",
    "location_id/.id",
    "location_dest_id/.id",
    "origin",
    "return_id/.id",
    "partner_id/.id",
];
const RETURN_MOVES: &[&str] = &[
    "move_ids/product_id/.id",
    "move_ids/product_uom_qty",
    "move_ids/product_uom/.id",
    "move_ids/location_id/.id",
    "move_ids/location_dest_id/.id",
    "move_ids/origin_returned_move_id/.id",
    "move_ids/sale_line_id/.id",
    "move_ids/to_refund",
];

/// The key of units of a line that are taken from its `slot`-th move.
pub fn taken_key(effect_key: &str, part: &str, slot: usize) -> String {
    external_id::of(CommandKind::Goods, &format!("{effect_key}/{part}/{slot}"))
}

pub fn return_key(effect_key: &str) -> String {
    external_id::of(CommandKind::Goods, effect_key)
}

/// Keys alone: Odoo answers with the record that has one, and refuses to make one of nothing.
pub fn probe() -> Table {
    Table::new(&["id"], &[])
}

pub fn taken() -> Table {
    Table::new(LEFT, &[])
}

pub fn taken_row(key: String, share: Share, stock: &Stock) -> Option<Vec<String>> {
    let of = stock.moves.get(&share.of)?;
    Some(vec![
        key,
        share.of.to_string(),
        of.picking?.to_string(),
        of.product.to_string(),
        share.units.normalize().to_string(),
        "True".to_owned(),
    ])
}

pub fn returns() -> Table {
    Table::new(RETURN, &[RETURN_MOVES])
}

/// A transfer that takes shares of finished moves back, as Odoo's own return makes it.
pub fn return_row(
    key: String,
    content: &GoodsContent,
    taken: &[Taken],
    stock: &Stock,
) -> Result<(Vec<String>, Vec<Line>), CallError> {
    let lost = || refused("not_delivered", "nothing is there to come back");
    let first = taken.first().and_then(|it| stock.moves.get(&it.share.of)).ok_or_else(lost)?;
    let back = stock.way_back(first)?;
    let text = |id: Option<i64>| id.map(|id| id.to_string()).unwrap_or_default();
    let head = vec![
        key,
        back.kind.to_string(),
        first.to.to_string(),
        back.to.to_string(),
        format!("Return of {}", content.reference),
        text(first.picking),
        text(stock.partner_of(first)),
    ];
    let mut lines = Vec::new();
    for Taken { share, .. } in taken {
        let of = stock.moves.get(&share.of).ok_or_else(lost)?;
        let cells = vec![
            of.product.to_string(),
            share.units.normalize().to_string(),
            of.unit.to_string(),
            of.to.to_string(),
            stock.way_back(of)?.to.to_string(),
            share.of.to_string(),
            text(of.line),
            "True".to_owned(),
        ];
        lines.push(Line { group: 0, cells });
    }
    Ok((head, lines))
}
