//! The description of the interface.

#[test]
fn the_checked_in_description_is_that_of_the_code() {
    let checked_in = include_str!("../../openapi.json");
    assert!(
        checked_in == tessera_farm_master::routes::openapi_document(),
        "write it anew: cargo run --release -p tessera-farm-master -- openapi > \
         farm-master/openapi.json"
    );
}

#[test]
fn every_reference_in_it_leads_somewhere() {
    let document: serde_json::Value =
        serde_json::from_str(&tessera_farm_master::routes::openapi_document()).unwrap();
    let mut open = vec![&document];
    let mut references = 0;
    while let Some(value) = open.pop() {
        match value {
            serde_json::Value::Object(fields) => {
                if let Some(serde_json::Value::String(target)) = fields.get("$ref") {
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{target} is missing");
                    references += 1;
                }
                open.extend(fields.values());
            }
            serde_json::Value::Array(entries) => open.extend(entries),
            _ => {}
        }
    }
    assert!(references > 40, "only {references} references were found");
}
