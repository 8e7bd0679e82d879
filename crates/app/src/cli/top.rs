//! `pgward top`: a server, live on the terminal.

use super::{Database, Exit};
use crate::screen::{Scene, Screen, draw};
use anyhow::{Context, ensure};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_recover::execute::{self, Hands};
use pgward_watch::watcher::{Options, Watcher};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

/// Watch one server live: load by wait, lock forest, statements, changes, incident
///
/// The keys c and t cancel or terminate the marked session, after a question that says who goes
/// on by it. Needs a terminal; `pgward status` is for scripts.
#[derive(clap::Args)]
pub struct Top {
    #[command(flatten)]
    database: Database,
}

/// Keys are looked for this often.
const KEYS: Duration = Duration::from_millis(100);

impl Top {
    pub fn run(self) -> anyhow::Result<Exit> {
        let target = self.database.target()?;
        ensure!(
            std::io::stdout().is_terminal() && std::io::stdin().is_terminal(),
            "top needs a terminal; `pgward status` prints the same once"
        );
        let watcher = Watcher::start(Options {
            server: target.to_string(),
            target: target.clone(),
            probe_target: None,
            scan: Arc::new(AtomicBool::new(false)),
            known_changes: Vec::new(),
            healthy_s: 60.0,
        })?;
        // Opened before the trouble, as a response does it: later there may be no slot.
        let hands = Hands::open(target, None, None, std::env::temp_dir())?;
        let mut terminal = ratatui::try_init().context("the terminal cannot be taken over")?;
        let ended = Live { watcher, hands: Arc::new(hands), acting: None }.run(&mut terminal);
        ratatui::restore();
        ended?;
        Ok(Exit::Quiet)
    }
}

struct Live {
    watcher: Watcher,
    hands: Arc<Hands>,
    /// What the signal that is under way will say.
    acting: Option<Receiver<String>>,
}

impl Live {
    fn run(&mut self, terminal: &mut DefaultTerminal) -> anyhow::Result<()> {
        let mut screen = Screen::default();
        loop {
            self.watcher.tick();
            self.watcher.close_if_healthy();
            let next = clock::Deadline::after(Duration::from_secs(1));
            while !next.passed() {
                self.heard(&mut screen);
                let status = self.watcher.status();
                let scene = Scene {
                    status: &status,
                    window: self.watcher.window(),
                    incident: self.watcher.incident(),
                };
                terminal.draw(|frame| draw(frame, &scene, &screen))?;
                if !event::poll(KEYS.min(next.left()))? {
                    continue;
                }
                if let event::Event::Key(key) = event::read()?
                    && key.kind == KeyEventKind::Press
                    && pressed(key, &scene, &mut screen) == Pressed::Quit
                {
                    return Ok(());
                }
                if let Some(step) = screen.agreed.take() {
                    self.carry_out(step);
                    "signalled; waits for its effect".clone_into(&mut screen.said);
                }
            }
        }
    }

    /// In its own thread: a backend may take seconds to go, and the screen goes on.
    fn carry_out(&mut self, step: Step) {
        let (send, receive) = channel();
        let hands = Arc::clone(&self.hands);
        std::thread::spawn(move || {
            let done = hands.acting().and_then(|acting| {
                let done = execute::step(&hands, &acting, "top", &step);
                hands.give_back(acting);
                done
            });
            let said = match done {
                Ok(done) => format!("{}{done}", step.title),
                Err(error) => {
                    format!("not done: {}", pgward_pg::error::links(&error).join(": "))
                }
            };
            let _ = send.send(said);
        });
        self.acting = Some(receive);
    }

    fn heard(&mut self, screen: &mut Screen) {
        let Some(acting) = &self.acting else { return };
        match acting.try_recv() {
            Ok(said) => {
                screen.said = said;
                self.acting = None;
            }
            Err(TryRecvError::Disconnected) => self.acting = None,
            Err(TryRecvError::Empty) => {}
        }
    }
}

#[derive(PartialEq)]
enum Pressed {
    Quit,
    Other,
}

/// What a key does to the screen; while a question is open, only `y` agrees.
fn pressed(key: KeyEvent, scene: &Scene<'_>, screen: &mut Screen) -> Pressed {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    if control && key.code == KeyCode::Char('c') {
        return Pressed::Quit;
    }
    if let Some(question) = screen.question.take() {
        screen.agreed = (key.code == KeyCode::Char('y')).then_some(question.step);
        return Pressed::Other;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Pressed::Quit,
        KeyCode::Down | KeyCode::Char('j') => screen.step(scene, 1),
        KeyCode::Up | KeyCode::Char('k') => screen.step(scene, -1),
        KeyCode::PageDown => screen.step(scene, 10),
        KeyCode::PageUp => screen.step(scene, -10),
        KeyCode::Char('c') => screen.ask(scene, BackendSignal::Cancel),
        KeyCode::Char('t') => screen.ask(scene, BackendSignal::Terminate),
        _ => {}
    }
    Pressed::Other
}
