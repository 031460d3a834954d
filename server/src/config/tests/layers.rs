//! Later layers win; both forms of a name are the same setting.

use super::{KEY, Place};
use secrecy::ExposeSecret;
use std::time::Duration;

#[test]
fn every_layer_wins_over_the_ones_before_it() {
    let mut place = Place::new(&[]);
    let port = |place: &Place| place.good().server.port;
    assert_eq!(port(&place), 8080, "defaults");
    place = place.file("keystead.toml", "[server]\nport = 1001\n");
    assert_eq!(port(&place), 1001, "keystead.toml");
    place = place.file(".env", "PORT=1002\n");
    assert_eq!(port(&place), 1002, ".env");
    place = place.file(".env.local", "KEYSTEAD_SERVER__PORT=1003\n");
    assert_eq!(port(&place), 1003, ".env.local, in the other form");
    place = place.set("PORT", "1004");
    assert_eq!(port(&place), 1004, "environment");
    place = place.file("port.txt", "1005\n").set("PORT_FILE", "port.txt");
    assert_eq!(port(&place), 1005, "NAME_FILE");
    place = place.file("secrets/PORT", "1006\r\n").set("KEYSTEAD_SECRETS_DIR", "secrets");
    assert_eq!(port(&place), 1006, "secrets folder");
}

#[test]
fn an_empty_value_takes_a_setting_back_to_its_default() {
    let place = Place::new(&[("PORT", "")]).file(".env", "PORT=1002\nREDIS_URL=redis://localhost\n").set("REDIS_URL", "");
    let settings = place.good();
    assert_eq!(settings.server.port, 8080);
    assert!(settings.redis_url.is_none());
}

#[test]
fn a_named_configuration_file_replaces_the_usual_one() {
    let place = Place::new(&[("KEYSTEAD_CONFIG", "conf/other.toml")])
        .file("keystead.toml", "[server]\nport = 1\n")
        .file("conf/other.toml", "[server]\nhost = \"0.0.0.0\"\n");
    let settings = place.good();
    assert_eq!((settings.server.host.as_str(), settings.server.port), ("0.0.0.0", 8080));
}

#[test]
fn a_named_configuration_file_must_be_there() {
    let fault = Place::new(&[("KEYSTEAD_CONFIG", "nowhere.toml")]).only_fault();
    assert_eq!(fault.name, "KEYSTEAD_CONFIG");
    assert!(fault.problem.contains("no such file"), "{fault:?}");
}

#[test]
fn secrets_are_read_from_files_named_in_a_dot_env_too() {
    let place = Place::new(&[]).file(".env", "KEYSTEAD_MASTER_KEY_FILE=key\nKEYSTEAD_DATABASE__URL_FILE=db\n");
    let place = place.file("key", &format!("{KEY}\n")).file("db", "postgres://me:pw@localhost/x\n");
    let settings = place.good();
    assert_eq!(settings.master_keys.len(), 1);
    assert_eq!(settings.database.url.expose_secret(), "postgres://me:pw@localhost/x");
}

#[test]
fn a_file_that_is_named_and_not_there_is_a_fault() {
    let fault = Place::new(&[("DATABASE_URL_FILE", "absent")]).only_fault();
    assert_eq!((fault.name.as_str(), fault.layer.as_deref()), ("DATABASE_URL_FILE", Some("environment")));
    assert!(fault.problem.contains("absent") && fault.problem.contains("no such file"), "{fault:?}");
}

#[test]
fn a_kubernetes_secret_mount_is_read_and_its_inner_folders_are_left_alone() {
    let place = Place::new(&[("KEYSTEAD_SECRETS_DIR", "mounted")])
        .file("mounted/REDIS_URL", "redis://localhost:6379")
        .file("mounted/..2026_11_21/REDIS_URL", "redis://localhost:1")
        .file("mounted/tls.crt", "somebody else's");
    assert_eq!(place.good().redis_url.unwrap().expose_secret(), "redis://localhost:6379");
}

#[test]
fn both_forms_in_one_layer_must_agree() {
    assert_eq!(Place::new(&[("PORT", "1"), ("KEYSTEAD_SERVER__PORT", "1")]).good().server.port, 1);
    let fault = Place::new(&[("PORT", "1"), ("KEYSTEAD_SERVER__PORT", "2")]).only_fault();
    assert!(fault.to_string().contains("PORT") && fault.to_string().contains("KEYSTEAD_SERVER__PORT"), "{fault}");
}

#[test]
fn lists_in_the_file_are_the_same_as_commas_in_the_environment() {
    let in_file = Place::new(&[]).file("keystead.toml", "[server]\ncors_origins = [\"https://a.example\", \"https://b.example:8443\"]\n");
    let in_env = Place::new(&[("CORS_ORIGINS", "https://a.example/ , https://B.example:8443")]);
    assert_eq!(in_file.good().cors_origins, ["https://a.example", "https://b.example:8443"]);
    assert_eq!(in_file.good().cors_origins, in_env.good().cors_origins);
}

#[test]
fn the_public_url_follows_the_port_until_it_is_set() {
    assert_eq!(Place::new(&[]).good().public_url(), "http://localhost:8080");
    assert_eq!(Place::new(&[("PORT", "9000")]).good().public_url(), "http://localhost:9000");
    assert_eq!(Place::new(&[("KEYSTEAD_PUBLIC_URL", "https://ID.example.com/")]).good().public_url(), "https://id.example.com");
}

#[test]
fn relative_paths_are_seen_from_the_working_folder() {
    let place = Place::new(&[("KEYSTEAD_DATA_DIR", "./store")]);
    let settings = place.good();
    assert_eq!(settings.data_dir, place.path("store"));
    assert_eq!(settings.database.url.expose_secret(), &format!("sqlite://{}", place.path("store/keystead.db").display()));
    for url in ["sqlite://x/y.db", "sqlite:x/y.db", "sqlite://./x/y.db"] {
        let settings = Place::new(&[]).set("DATABASE_URL", url);
        let wanted = format!("sqlite://{}", settings.path("x/y.db").display());
        assert_eq!(settings.good().database.url.expose_secret(), &wanted, "{url}");
    }
}

#[test]
fn quotas_are_named_by_whoever_sets_them() {
    let place =
        Place::new(&[("KEYSTEAD_QUOTAS__AI_CREDITS", "10/1h")]).file("keystead.toml", "[quotas]\nexports = \"5/1d\"\ntokens = \"off\"\n");
    let quotas = place.good().quotas;
    assert_eq!(quotas.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>(), ["ai_credits", "exports"]);
    let credits = quotas.get("ai_credits").unwrap();
    assert_eq!((credits.amount, credits.period), (10, Duration::from_secs(3600)));
    assert_eq!(Place::new(&[]).good().quotas.get("tokens").unwrap().amount, 50_000);
}

#[test]
fn retention_of_a_kind_follows_the_common_one_until_it_is_set() {
    let privacy = Place::new(&[("KEYSTEAD_RETENTION__DAYS", "10"), ("KEYSTEAD_RETENTION__AUDIT", "365")]).good().privacy;
    assert_eq!((privacy.retention_days, privacy.retention.sessions, privacy.retention.audit), (10, 10, 365));
}

#[test]
fn several_master_keys_keep_their_order_and_ids() {
    let other = "Hx4dHBsaGRgXFhUUExIREPHz9ff5+/3/AQMFBwkLDQ8=";
    let keys = Place::new(&[]).set("KEYSTEAD_MASTER_KEY", format!("2026b:{KEY}, 2026a:{other}")).good().master_keys;
    assert_eq!(keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["2026b", "2026a"]);
    assert_ne!(*keys[0].key, *keys[1].key);
}

#[test]
fn both_base64_alphabets_are_read_with_and_without_padding() {
    let expected = Place::new(&[("KEYSTEAD_MASTER_KEY", KEY)]).good().master_keys[0].key.clone();
    for form in [KEY.replace('/', "_"), KEY.trim_end_matches('=').to_owned()] {
        assert_eq!(Place::new(&[]).set("KEYSTEAD_MASTER_KEY", form).good().master_keys[0].key, expected);
    }
}

#[test]
fn verified_modes_of_postgres_become_the_word_the_driver_knows() {
    let place = Place::new(&[("DATABASE_URL", "postgresql://u:p@db.example.com/k?sslmode=verify-full")]);
    assert_eq!(place.good().database.url.expose_secret(), "postgres://u:p@db.example.com/k?sslmode=require");
}

#[test]
fn what_kubernetes_and_our_tests_put_into_the_environment_is_not_ours() {
    let place = Place::new(&[
        ("KEYSTEAD_SERVICE_HOST", "10.0.0.1"),
        ("KEYSTEAD_SERVICE_PORT_HTTP", "80"),
        ("KEYSTEAD_PORT", "tcp://10.0.0.1:80"),
        ("KEYSTEAD_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("KEYSTEAD_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("KEYSTEAD_REDIS_PORT_6379_TCP_PORT", "6379"),
        ("KEYSTEAD_TEST_POSTGRES", "postgres://x"),
        ("SOMETHING_ELSE", "1"),
    ]);
    place.good();
}
