//! A database that is away for a while: scores wait on disk, and arrive in order, each with one value.

use super::database::Database;
use super::sender::Load;
use super::service::{Service, write_config};
use std::collections::BTreeMap;

const N_SERIES: usize = 3;
const N_MINUTES: i64 = 90;

#[test]
fn scores_wait_on_disk_while_the_database_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = Database::start();
    let more = "[learning]\nenabled = false\n[[watch]]\nmatch = '{__name__=\"load\"}'\nstep = \"1m\"\n";
    let config = write_config(folder.path(), "", "snapshot_every = \"1s\"", &(database.writer() + more));
    let service = Service::start(&config);
    let load = Load::new(N_SERIES, N_MINUTES);
    service.write(&load.past());
    service.wait_for_detector();
    service.write(&load.minutes(0..10));
    service.wait("scores", |_| database.n_scores() == 10 * N_SERIES);

    // It refuses first, then nobody is there, and the service is killed meanwhile.
    database.set_status(503);
    service.write(&load.minutes(10..40));
    service.wait("tries", |_| database.stored().n_refused >= 4);
    database.go_away();
    service.write(&load.minutes(40..60));
    service.wait("scores on disk", |service| service.metric("rlad_spool_bytes").is_some_and(|bytes| bytes > 0.0));
    assert!(service.get("/-/ready").0 == 200);
    service.kill();
    drop(service);
    let service = Service::start(&config);
    service.write(&load.minutes(60..N_MINUTES));
    service.wait("trouble", |service| service.lines().iter().any(|line| line.contains("scores wait on disk")));
    assert_eq!(database.n_scores(), 10 * N_SERIES);

    database.set_status(0);
    database.come_back();
    service.wait("all scores", |_| database.n_scores() == usize::try_from(N_MINUTES).unwrap() * N_SERIES);
    service.wait("an empty spool", |service| {
        service.lines().iter().any(|line| line.contains("the database takes scores again"))
    });
    let stored = database.stored();
    assert_eq!(stored.n_contradictions, 0);
    // Each series' new scores rise in time.
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for (host, at) in stored.order.iter().filter(|key| seen.insert((*key).clone())) {
        assert!(last.insert(host, *at).is_none_or(|before| before < *at), "{host} at {at}");
    }
    println!(
        "{} refused requests, {} samples written for {} scores",
        stored.n_refused,
        stored.order.len(),
        stored.scores.len()
    );
}
