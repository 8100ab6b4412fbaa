//! What a node makes of the hours that its owner set at the master.

use super::*;
use crate::house::rules::HouseRules;
use tessera_protocol::house::SetHours;

impl World {
    /// What reports are answered with from now on.
    fn orders(&self, hours: &str, set_ms: i64) {
        let order = format!(r#"{{"hours":{{"hours":"{hours}","set_ms":{set_ms}}}}}"#);
        *self.master.order.lock().unwrap() = order;
    }

    /// Waits until the node says that it keeps these hours.
    async fn keeps(&self, hours: &str, set_ms: i64) -> NodeReport {
        let said = |seen: &[Seen]| reports(seen).find(|report| is(report, hours, set_ms)).cloned();
        self.master.until(|seen| said(seen).is_some()).await;
        said(&self.master.seen.lock().unwrap()).unwrap()
    }

    /// As the owner does on the machine: the node says so at once, and hears its master's answer to that.
    async fn on_the_machine(&self, hours: &str, now_ms: i64) {
        let state = self.state();
        let mut rules = HouseRules::read(&state).unwrap();
        rules.set_hours(hours.parse().unwrap(), now_ms);
        rules.write(&state).unwrap();
        self.keeps(hours, now_ms).await;
    }

    fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("node")
    }

    fn start_by_rules(&self) -> Node {
        std::fs::create_dir_all(self.state()).unwrap();
        self.start_with(cpu, House::watch(&self.state()).unwrap(), None)
    }
}

fn reports(seen: &[Seen]) -> impl Iterator<Item = &NodeReport> {
    seen.iter().filter_map(|seen| match seen {
        Seen::Report(report) => Some(report),
        _ => None,
    })
}

fn is(report: &NodeReport, hours: &str, set_ms: i64) -> bool {
    *report.hours.as_ref().unwrap() == SetHours { hours: hours.parse().unwrap(), set_ms }
}

#[tokio::test]
async fn an_order_is_taken_once_and_one_that_is_older_or_no_order_is_left_alone() {
    let world = World::with(0, &[]).await;
    world.orders("never", 1000);
    let node = world.start_by_rules();
    let report = world.keeps("never", 1000).await;
    assert_eq!(report.rests, Some(Rest::OutOfHours { opens_in_min: None }));

    world.orders("always", 1000);
    world.on_the_machine("tue", 2000).await;
    world.orders("always", 1999);
    world.on_the_machine("wed", 3000).await;
    for nonsense in [
        r#"{"hours":{"hours":"noon","set_ms":9000}}"#.to_owned(),
        format!(r#"{{"hours":{{"hours":"{}","set_ms":9000}}}}"#, vec!["mon"; 600].join(",")),
        r#"{"hours":{"hours":"always","set_ms":"9000"}}"#.to_owned(),
        "[]".to_owned(),
    ] {
        *world.master.order.lock().unwrap() = nonsense;
        let kept = HouseRules::read(&world.state()).unwrap().hours_set_ms;
        world.on_the_machine("fri", kept + 1).await;
    }
    world.orders("thu", 8000);
    world.keeps("thu", 8000).await;
    node.stop().await;

    let seen = world.master.seen.lock().unwrap();
    let mut kept: Vec<_> = reports(&seen).map(|report| report.hours.clone().unwrap()).collect();
    kept.dedup();
    let kept: Vec<_> = kept.iter().map(|kept| (kept.hours.to_string(), kept.set_ms)).collect();
    let expected = [
        ("always", 0),
        ("never", 1000),
        ("tue", 2000),
        ("wed", 3000),
        ("fri", 3001),
        ("fri", 3002),
        ("fri", 3003),
        ("fri", 3004),
        ("thu", 8000),
    ];
    assert_eq!(kept, expected.map(|(hours, set_ms)| (hours.to_owned(), set_ms)));
    assert!(reports(&seen).all(|report| !report.cannot_set_hours));
}

#[tokio::test]
async fn an_order_that_cannot_be_written_down_is_told_and_the_hours_stay() {
    let world = World::with(0, &[]).await;
    world.orders("never", 1000);
    let node = world.start_by_rules();
    world.keeps("never", 1000).await;
    let file = world.state().join(crate::house::rules::RULES_FILE);
    // Rules that nobody can read cannot be kept beside the new hours.
    std::fs::write(&file, "{").unwrap();
    world.orders("always", 2000);
    world.master.until(|seen| reports(seen).any(|report| report.cannot_set_hours)).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{");
    HouseRules::default().write(&world.state()).unwrap();
    world.keeps("always", 2000).await;
    world
        .master
        .until(|seen| reports(seen).last().is_some_and(|report| !report.cannot_set_hours))
        .await;
    node.stop().await;
    let seen = world.master.seen.lock().unwrap();
    let mut failing = reports(&seen).filter(|report| report.cannot_set_hours);
    assert!(failing.all(|report| is(report, "never", 1000) || is(report, "always", 0)));
}
