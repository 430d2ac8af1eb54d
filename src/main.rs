//! tmp
fn main() {
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(std::io::stderr).init();
    let mut s = pinhole::config::Settings::default();
    s.control.socket = "/tmp/ph.sock".into();
    if let Err(e) = pinhole::cli::run::run(&s, "tmp") {
        eprintln!("{e}");
        std::process::exit(78)
    }
}
