//! A program of one's own: the alert as JSON on its standard input, the subject as its last
//! argument. Exit code 0 is delivered.

use super::{Failure, Route, Sink, WITHIN};
use pgward_model::alert::Delivery;
use pgward_pg::clock;
use pgward_render::view;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(super) static SINK: Sink = Sink {
    id: "command",
    title: "a program on this machine",
    needs: &["command"],
    may: &[],
    gathers: false,
    send,
};

fn send(route: &Route, delivery: &Delivery) -> Result<(), Failure> {
    let Some((program, arguments)) = route.command.split_first() else {
        return Err(Failure::Never("an empty command".to_owned()));
    };
    let later = |error: std::io::Error| Failure::Later(format!("{program}: {error}"));
    let mut child = Command::new(program)
        .args(arguments)
        .arg(view::alert_subject(&delivery.alert))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(later)?;
    let text = serde_json::json!({ "alert": delivery.alert, "with": delivery.with }).to_string();
    if let Some(mut stdin) = child.stdin.take() {
        // In its own thread: a program that reads nothing must not hold us. One that ends
        // before it has read all is no failure.
        std::thread::spawn(move || {
            let _ = stdin.write_all(text.as_bytes());
        });
    }
    let ended = clock::poll(WITHIN, Duration::from_millis(20), || child.try_wait());
    match ended.map_err(later)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(Failure::Later(format!("{program}: {status}"))),
        None => {
            end(&mut child);
            Err(Failure::Later(format!("{program}: not done within {} s", WITHIN.as_secs())))
        }
    }
}

fn end(child: &mut Child) {
    // It may have ended meanwhile; either way it is gone afterwards.
    let _ = child.kill();
    let _ = child.wait();
}
