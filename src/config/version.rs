//! The version of the program.

use std::env;
use std::path::PathBuf;
use std::sync::LazyLock;

use jiff::tz::TimeZone;

use super::store::StoreSetting;

/// The version of the program, and the revision of its source.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_REVISION"), ")");

/// The output of `--version`: the version, and the time zone and the store according to the environment.
pub(super) static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    let zone = match env::var("COUNTERSIGN_ZONE") {
        Ok(name) => TimeZone::get(&name).map_or("unknown".to_owned(), |zone| zone_name(&zone)),
        Err(_) => zone_name(&TimeZone::system()),
    };
    let store = match env::var_os("COUNTERSIGN_STORE").map(|store| StoreSetting::from(store).0) {
        Some(Ok(location)) => location.to_string(),
        Some(Err(_)) => "unknown".to_owned(),
        None => {
            let folder = env::var_os("COUNTERSIGN_DATA_DIR")
                .map_or("countersign-data".into(), PathBuf::from);
            folder.join("countersign.db").display().to_string()
        }
    };
    format!("{VERSION}\nzone: {zone}\nstore: {store}")
});

/// Returns the name of a time zone.
pub fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("the machine's").to_owned()
}
