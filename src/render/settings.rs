//! Lists of settings.

use super::table::table;
use super::text::View;
use crate::report::Setting;

/// Longer words are broken, before a list becomes no list.
const WHOLE: u16 = 36;

/// One line for each setting. What is not set is a dash.
#[must_use]
pub(super) fn list(settings: &[Setting], titled: bool, view: &View) -> String {
    let row = |setting: &Setting| {
        let values = setting.values.join(", ");
        let values = if values.is_empty() {
            "-".to_owned()
        } else {
            values
        };
        vec![setting.full_name(), values, setting.source.to_string()]
    };
    let rows = settings.iter().map(row).collect();
    let header = ["SETTING", "VALUE", "SOURCE"];
    table(&header, titled, rows, WHOLE, view.width)
}
