//! A configuration that is read anew: a broken one changes nothing, a good one takes effect at once.

use super::sender::{Series, body, now_ms};
use super::service::{Service, write_config};

const RELOADED: &str = "rlad_config_last_reload_successful";

#[test]
fn a_broken_file_leaves_the_old_one_in_use_and_a_good_one_takes_effect() {
    let folder = tempfile::tempdir().unwrap();
    let watch = |name: &str| format!("[[watch]]\nmatch = '{{__name__=\"{name}\"}}'\nstep = \"1m\"\n");
    let write = |more: &str| write_config(folder.path(), "", "", more);
    let service = Service::start(&write(&watch("load")));
    let send = |minute: i64| {
        let at = now_ms() - (10 - minute) * 60_000;
        service.write(&body(vec![Series::new("load", "a", [(at, 1.0)]), Series::new("heat", "a", [(at, 1.0)])]));
    };
    let series = || service.get("/api/v1/series").1;
    send(0);
    assert!(series().contains("load{") && !series().contains("heat{"));
    assert_eq!(service.metric(RELOADED), Some(1.0));

    write("[decision]\ngoal = \"rain\"\n");
    let (status, _, text) = service.try_post("/-/reload", &[], b"").unwrap();
    println!("{status} {text}");
    assert_eq!(status, 400);
    assert!(text.contains("the one before stays") && text.contains("serve.toml") && text.contains("rain"), "{text}");
    assert!(text.contains("serve.toml:8:8: ") && text.contains("\nhint: "), "{text}");
    assert_eq!(service.metric(RELOADED), Some(0.0));
    assert!(service.get("/api/v1/status").1.contains("\"last_reload_successful\":false"));
    send(1);
    assert!(series().contains("load{") && !series().contains("heat{"));

    let n_told = || service.lines().iter().filter(|line| line.contains("is not used, the one before stays")).count();
    let before = n_told();
    service.signal("HUP");
    service.wait("the signal's reload", |_| n_told() == before + 1);

    // Another watch comes.
    write(&(watch("load") + &watch("heat")));
    service.signal("HUP");
    service.wait("the new file", |service| service.metric(RELOADED) == Some(1.0));
    send(2);
    assert!(series().contains("load{") && series().contains("heat{"));
    // The first one goes: what it alone watched is forgotten.
    write(&watch("heat"));
    let (status, _, text) = service.try_post("/-/reload", &[], b"").unwrap();
    assert_eq!((status, text.trim()), (200, "the configuration was read"));
    assert!(!series().contains("load{") && series().contains("heat{"));
    // What needs a start is named.
    write_config(folder.path(), "max_body = \"1MiB\"", "", &watch("heat"));
    let (_, _, text) = service.try_post("/-/reload", &[], b"").unwrap();
    assert_eq!(text.trim(), "the configuration was read; `server.max_body` takes effect at the next start");
}
