//! What a row of a settlement is, in canonical words.
//!
//! Transaction types and descriptions are open sets. The amount type is the stronger word: what
//! Amazon files under `ItemFees` is a fee, whatever new name it has. Everything else that nobody
//! has decided about is `Unknown`: a person decides before its payout is posted. The sign never
//! decides what a row is, except where one word is both ways of one thing (`POSTING.md` P22).

use trueup_domain::document::RowClass;

/// What the buyer's money of a row is for, where the row is a part of a sale or refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Goods,
    GoodsTax,
    Shipping,
    ShippingTax,
    GiftWrap,
    GiftWrapTax,
    /// Belongs to no line: goodwill, a fee kept from the buyer.
    Other,
    /// Tax that a promotion takes off with the goods or the shipping, which the row does not say.
    PromotionTax,
}

/// The three words by which Amazon names a row, in lower case.
pub struct Words {
    pub transaction: String,
    pub amount_type: String,
    pub description: String,
}

impl Words {
    pub fn of(transaction: &str, amount_type: &str, description: &str) -> Self {
        Self {
            transaction: transaction.to_ascii_lowercase(),
            amount_type: amount_type.to_ascii_lowercase(),
            description: description.to_ascii_lowercase(),
        }
    }

    /// The part of a sale or refund that the row states; none for fees and everything else.
    pub fn part(&self) -> Option<Part> {
        let description = self.description.as_str();
        match self.amount_type.as_str() {
            "itemprice" => Some(match description {
                "principal" => Part::Goods,
                "tax" => Part::GoodsTax,
                "shipping" => Part::Shipping,
                "shippingtax" => Part::ShippingTax,
                "giftwrap" => Part::GiftWrap,
                "giftwraptax" => Part::GiftWrapTax,
                "goodwill" | "restockingfee" | "returnshipping" => Part::Other,
                _ => return None,
            }),
            "promotion" => Some(match description {
                "principal" => Part::Goods,
                "shipping" => Part::Shipping,
                "giftwrap" => Part::GiftWrap,
                "taxdiscount" => Part::PromotionTax,
                _ => return None,
            }),
            _ => None,
        }
    }

    /// `negative` is the row's sign, and `named` whether it names an order.
    pub fn class(&self, negative: bool, named: bool) -> RowClass {
        let transaction = self.transaction.as_str();
        if transaction == "transfer" {
            return RowClass::Payout;
        }
        match self.amount_type.as_str() {
            "itemprice" | "promotion" => match (transaction, self.part()) {
                ("order", Some(_)) if named => RowClass::Capture,
                (refund, Some(_)) if named && is_refund(refund) => RowClass::Refund,
                _ => RowClass::Unknown,
            },
            "itemfees"
            | "shipmentfees"
            | "orderfees"
            | "cost of advertising"
            | "couponredemptionfee" => RowClass::Fee,
            "itemwithheldtax" => self.withheld(),
            "fba inventory reimbursement" => RowClass::Reimbursement,
            "other-transaction" => self.other(negative),
            // Some accounts file one-off fees under a transaction type of their own.
            _ if matches!(transaction, "servicefee" | "fbafees") => RowClass::Fee,
            _ => RowClass::Unknown,
        }
    }

    fn withheld(&self) -> RowClass {
        let description = self.description.as_str();
        if description.starts_with("marketplacefacilitator") {
            RowClass::MarketplaceTax
        } else if description.starts_with("tcs") || description.starts_with("tds") {
            RowClass::WithheldTax
        } else {
            RowClass::Unknown
        }
    }

    fn other(&self, negative: bool) -> RowClass {
        match self.description.as_str() {
            "current reserve amount" | "previous reserve amount balance" if negative => {
                RowClass::Reserve
            }
            "current reserve amount" | "previous reserve amount balance" => {
                RowClass::ReserveRelease
            }
            "payable to amazon" => RowClass::CarriedForward,
            "successful charge" => RowClass::TopUp,
            "micro deposit" => RowClass::Transfer,
            "subscription fee"
            | "storage fee"
            | "storagerenewalbilling"
            | "fba long-term storage"
            | "fbalongtermstoragefee"
            | "removalcomplete"
            | "disposalcomplete"
            | "inbound transportation fee"
            | "shipping label purchase"
            | "shipping label purchase for return" => RowClass::Fee,
            "safe-t reimbursement" => RowClass::Reimbursement,
            "nonsubscriptionfeeadj" | "balanceadjustment" => RowClass::Adjustment,
            _ => RowClass::Unknown,
        }
    }
}

/// The buyer got money back: by the seller, or by Amazon at the seller's cost.
fn is_refund(transaction: &str) -> bool {
    matches!(transaction, "refund" | "chargeback refund" | "a-to-z guarantee refund")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: [&str; 3], negative: bool, expected: RowClass) {
        let [transaction, amount_type, description] = words;
        let class = Words::of(transaction, amount_type, description).class(negative, true);
        assert_eq!(class, expected, "{words:?}");
    }

    #[test]
    fn each_row_has_its_class() {
        check(["Order", "ItemPrice", "Principal"], false, RowClass::Capture);
        check(["Order", "Promotion", "Shipping"], true, RowClass::Capture);
        check(["Order", "ItemFees", "Commission"], true, RowClass::Fee);
        check(["Order", "ItemFees", "A fee of next year"], true, RowClass::Fee);
        check(["Refund", "ItemPrice", "Principal"], true, RowClass::Refund);
        check(["Chargeback Refund", "ItemPrice", "Tax"], true, RowClass::Refund);
        check(["A-to-z Guarantee Refund", "ItemPrice", "Principal"], true, RowClass::Refund);
        let withheld = |what| ["Order", "ItemWithheldTax", what];
        check(withheld("MarketplaceFacilitatorTax-Principal"), true, RowClass::MarketplaceTax);
        check(withheld("MarketplaceFacilitatorVAT-Shipping"), true, RowClass::MarketplaceTax);
        check(withheld("TCS-IGST"), true, RowClass::WithheldTax);
        check(withheld("Something new"), true, RowClass::Unknown);
        let other = |what| ["other-transaction", "other-transaction", what];
        check(other("Current Reserve Amount"), true, RowClass::Reserve);
        check(other("Previous Reserve Amount Balance"), false, RowClass::ReserveRelease);
        check(other("Payable to Amazon"), true, RowClass::CarriedForward);
        check(other("Successful charge"), false, RowClass::TopUp);
        check(other("Storage Fee"), true, RowClass::Fee);
        check(other("Something new"), false, RowClass::Unknown);
        let damaged = ["other-transaction", "FBA Inventory Reimbursement", "WAREHOUSE_DAMAGE"];
        check(damaged, false, RowClass::Reimbursement);
        let ads = ["ServiceFee", "Cost of Advertising", "TransactionTotalAmount"];
        check(ads, true, RowClass::Fee);
        check(["Transfer", "Transfer", ""], true, RowClass::Payout);
        check(["Order_Retrocharge", "ItemPrice", "Tax"], true, RowClass::Unknown);
        check(["Order", "ItemPrice", "Something new"], false, RowClass::Unknown);
        check(["Something new", "Something new", ""], false, RowClass::Unknown);
    }

    #[test]
    fn a_sale_without_its_order_is_unknown() {
        let words = Words::of("Order", "ItemPrice", "Principal");
        assert_eq!(words.class(false, false), RowClass::Unknown);
    }
}
