//! Files on their way, a row for each.

use std::time::Duration;

use indicatif::{BinaryBytes, HumanDuration};

use super::text::{cut, tame, width};
use crate::chat::model::Transfer;

/// Cells of the bar itself, where there is room.
const BAR: usize = 16;

/// A shorter one says nothing that the number beside it does not.
const BAR_MIN: usize = 4;

/// Cells of a name that keep it apart from others.
const NAME_MIN: usize = 8;

/// Of a hundred bytes, how many are there.
pub(super) fn percent(transfer: &Transfer) -> u64 {
    let Transfer { done, size, .. } = *transfer;
    // An empty file is there as soon as it has begun.
    u64::try_from(u128::from(done.min(size)) * 100 / u128::from(size.max(1))).unwrap_or(100)
}

/// Its name, how much is there, how fast it comes, and when it is done.
pub(super) fn row(transfer: &Transfer, max: usize) -> String {
    let percent = percent(transfer);
    let (size, speed) = (BinaryBytes(transfer.size), BinaryBytes(transfer.per_second));
    let left = transfer.size.saturating_sub(transfer.done).checked_div(transfer.per_second);
    let left =
        left.map(|seconds| format!(", {:#} left", HumanDuration(Duration::from_secs(seconds)))).unwrap_or_default();
    let way = if transfer.is_relayed { " (relayed)" } else { "" };
    let state = format!(" {percent:>3} % of {size}, {speed}/s{left}{way}");
    let name = tame(&transfer.name).replace('\n', " ");
    // The bar and the longer part of a name give way to what is said in words.
    let room = max.saturating_sub(width(&state));
    let cells = room.saturating_sub(width(&name).min(NAME_MIN) + " []".len()).min(BAR);
    let bar = if cells < BAR_MIN { String::new() } else { bar(percent, cells) };
    let name = cut(&name, room.saturating_sub(width(&bar)).max(NAME_MIN));
    cut(&format!("{name}{bar}{state}"), max)
}

fn bar(percent: u64, cells: usize) -> String {
    let full = usize::try_from(percent).unwrap_or(100) * cells / 100;
    format!(" [{}{}]", "#".repeat(full), "-".repeat(cells - full))
}

#[cfg(test)]
mod tests {
    use myicq_client::TransferId;

    use super::*;

    #[test]
    fn a_row_says_how_far_a_file_is() {
        let mut transfer = Transfer {
            id: TransferId(1),
            name: "holiday.tar.gz".to_owned(),
            size: 40 << 20,
            done: 10 << 20,
            per_second: 2 << 20,
            is_relayed: false,
        };
        let whole = "holiday.tar.gz [####------------]  25 % of 40.00 MiB, 2.00 MiB/s, 15s left";
        assert_eq!(row(&transfer, 80), whole);
        assert_eq!(row(&transfer, 58), "holiday… [#-----]  25 % of 40.00 MiB, 2.00 MiB/s, 15s left");
        assert_eq!(row(&transfer, 52), "holiday.ta…  25 % of 40.00 MiB, 2.00 MiB/s, 15s left");
        transfer.is_relayed = true;
        assert_eq!(width(&row(&transfer, 70)), 70);
        (transfer.done, transfer.size, transfer.per_second) = (0, 0, 0);
        assert_eq!(percent(&transfer), 0);
        (transfer.done, transfer.size) = (u64::MAX, u64::MAX);
        assert_eq!(percent(&transfer), 100);
        for max in 0..80 {
            assert!(width(&row(&transfer, max)) <= max);
        }
    }
}
