//! The live screen of `pgward top`: drawn from a window of samples, without server or clock.

use pgward_incident::{forest, status};
use pgward_model::prelude::*;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Wrap};
use std::collections::BTreeMap;

/// Load is averaged over this time, statements over the second.
const LOAD_S: f64 = 15.0;
const STATEMENTS_S: f64 = 60.0;
/// Cells of the longest bar.
const BAR: usize = 30;
/// Lines of each part; the forest takes what is left.
const LOAD_LINES: u16 = 7;
const STATEMENT_LINES: u16 = 7;
const CHANGE_LINES: u16 = 6;
/// Sessions listed.
const ROWS_MAX: usize = 500;

/// What there is to see.
pub struct Scene<'a> {
    pub status: &'a ServerStatus,
    pub window: &'a Window,
    pub incident: Option<&'a Incident>,
}

/// What the reader has chosen.
#[derive(Debug, Default)]
pub struct Screen {
    /// The pid that is marked; it stays marked while other rows move.
    pub marked: Option<Pid>,
    pub question: Option<Question>,
    /// What the reader has just said yes to.
    pub agreed: Option<Step>,
    /// The outcome of the last act.
    pub said: String,
}

/// What is asked before a session is signalled.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub step: Step,
    /// What is signalled, and who goes on after it, by the forest of that moment.
    pub lines: Vec<String>,
}

/// A session with its depth in the wait-for forest.
struct Entry {
    pid: Pid,
    depth: usize,
    text: String,
    is_blocker: bool,
}

impl Screen {
    /// Marks the next or the previous session.
    pub fn step(&mut self, scene: &Scene<'_>, by: isize) {
        let entries = entries(scene);
        let at = entries.iter().position(|e| Some(e.pid) == self.marked);
        let last = entries.len().saturating_sub(1);
        let next = match at {
            Some(at) => at.saturating_add_signed(by).min(last),
            None => 0,
        };
        self.marked = entries.get(next).map(|e| e.pid);
    }

    /// Asks whether to signal the marked session.
    pub fn ask(&mut self, scene: &Scene<'_>, signal: BackendSignal) {
        let last = scene.window.last();
        let found = last.and_then(|sample| {
            let session = sample.sessions.iter().find(|s| Some(s.pid) == self.marked)?;
            Some(question(sample, session, signal))
        });
        match found {
            Some(question) => self.question = Some(question),
            None => "no session is marked: ↑ and ↓ mark one".clone_into(&mut self.said),
        }
    }
}

/// The step, bound to this very session in what it does now, and what it will bring.
fn question(sample: &Sample, session: &SessionSample, signal: BackendSignal) -> Question {
    let verb = if signal == BackendSignal::Terminate { "end" } else { "cancel" };
    let who = format!("pid {} of role {}", session.pid, session.role);
    let resumed = status::resumes(sample, session.pid);
    let mut lines = vec![
        format!("{verb} {who} ({}), {}", session.application, session.state),
        cut(&session.query, 200),
        match (resumed.at_once.len(), resumed.later.len()) {
            (0, 0) => "nobody waits for it: nobody goes on by this".to_owned(),
            (now, 0) => format!("{now} sessions go on at once"),
            (now, later) => {
                format!("{now} sessions go on at once; {later} behind it later, or not")
            }
        },
        match signal {
            BackendSignal::Terminate => "its open transaction rolls back, its session ends",
            _ => "its statement ends; a transaction it stands in is aborted",
        }
        .to_owned(),
    ];
    if signal != BackendSignal::Terminate && session.state != "active" {
        lines.push("it runs nothing now: a cancel will end nothing".to_owned());
    }
    let still = Still {
        query_start: session.query_start.filter(|_| session.state == "active"),
        xact_start: session.xact_start,
        ..Still::default()
    };
    let act = Act::Signal { pid: session.pid, backend_start: session.backend_start, signal, still };
    let why = "a signal cannot be taken back".to_owned();
    let step = Step {
        number: 1,
        title: format!("{verb} {who}"),
        act,
        limits: Limits::SHORT,
        expectations: Vec::new(),
        undo: Undo::Impossible { why },
    };
    Question { step, lines }
}

/// The forest first, its roots by waiters; then whoever is at work or in a transaction.
fn entries(scene: &Scene<'_>) -> Vec<Entry> {
    let Some(sample) = scene.window.last() else { return Vec::new() };
    let mut entries: Vec<Entry> = Vec::new();
    for root in forest::roots(sample) {
        let nodes = forest::tree(&root);
        let mut depth_of: BTreeMap<Pid, usize> = BTreeMap::new();
        for node in &nodes {
            let depth = node.parent.and_then(|p| depth_of.get(&p)).map_or(0, |d| d + 1);
            depth_of.insert(node.pid, depth);
            entries.push(Entry {
                pid: node.pid,
                depth,
                text: if node.waits_for.is_empty() {
                    format!("{} {}  {}", node.role, node.state, cut(&node.statement, 160))
                } else {
                    format!(
                        "{} waits {} for {}  {}",
                        node.role,
                        human_duration(node.waited_s.round()),
                        node.waits_for,
                        cut(&node.statement, 160)
                    )
                },
                is_blocker: depth == 0,
            });
        }
    }
    let known: Vec<Pid> = entries.iter().map(|e| e.pid).collect();
    let mut busy: Vec<&SessionSample> = sample
        .sessions
        .iter()
        .filter(|s| !known.contains(&s.pid) && (s.state == "active" || s.xact_start.is_some()))
        .collect();
    busy.sort_by_key(|s| (s.xact_start.or(s.query_start), s.pid));
    entries.extend(busy.into_iter().map(|s| {
        let since = s.xact_start.or(s.query_start).unwrap_or(sample.at);
        let age = human_duration(seconds_between(since, sample.at).max(0.0).round());
        let text = format!("{} {} {age}  {}", s.role, s.state, cut(&s.query, 160));
        Entry { pid: s.pid, depth: 0, text, is_blocker: false }
    }));
    entries.truncate(ROWS_MAX);
    entries
}

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, scene: &Scene<'_>, screen: &Screen) {
    let [head, load, sessions, statements, changes, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(LOAD_LINES),
        Constraint::Min(5),
        Constraint::Length(STATEMENT_LINES),
        Constraint::Length(CHANGE_LINES),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(head_lines(scene)), head);
    part(frame, load, " load by wait, average sessions ", load_lines(scene));
    draw_sessions(frame, sessions, scene, screen);
    part(frame, statements, " statements, last minute ", statement_lines(scene));
    part(frame, changes, " changes ", change_lines(scene));
    let keys = "↑↓ mark   c cancel   t terminate   q quit";
    let foot_text = if screen.said.is_empty() { keys } else { screen.said.as_str() };
    frame.render_widget(Paragraph::new(foot_text).style(dim()), foot);
    if let Some(question) = &screen.question {
        draw_question(frame, question);
    }
}

fn head_lines(scene: &Scene<'_>) -> Vec<Line<'static>> {
    let status = scene.status;
    let version = status.identity.as_ref().map_or("not seen", |i| i.version.as_str());
    let version = version.split(' ').next().unwrap_or("").to_owned();
    let connections = status.limits.iter().find(|l| l.name == "connections");
    let slots = connections.map_or(String::new(), |l| {
        format!("  {} of {} connections", human(l.used), human(l.most.unwrap_or(0.0)))
    });
    let first = Line::from(vec![
        Span::styled(status.server.clone(), strong()),
        Span::raw(format!("  PostgreSQL {version}{slots}  {}", status.at.strftime("%H:%M:%S UTC"))),
    ]);
    let second = match scene.incident.map(status::line) {
        None => Line::styled("no incident", Style::new().fg(Color::Green)),
        Some(line) => {
            let cause = line
                .cause
                .map_or("cause not found yet".to_owned(), |(id, says)| format!("{id}: {says}"));
            Line::from(vec![
                Span::styled(format!("{}  ", line.title), strong().fg(Color::Red)),
                Span::raw(cause),
            ])
        }
    };
    vec![first, second]
}

fn part(frame: &mut Frame<'_>, area: Rect, title: &str, lines: Vec<Line<'_>>) {
    let block = Block::new().borders(Borders::TOP).title(title.to_owned()).border_style(dim());
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// Average active sessions by what they wait for: who waits for nothing runs on a CPU.
fn load_lines(scene: &Scene<'_>) -> Vec<Line<'static>> {
    let samples = scene.window.last_seconds(LOAD_S);
    let mut by_wait: BTreeMap<&str, f64> = BTreeMap::new();
    for session in samples.iter().flat_map(|s| &s.sessions).filter(|s| s.state == "active") {
        let wait = if session.wait_type.is_empty() { "CPU" } else { session.wait_type.as_str() };
        *by_wait.entry(wait).or_default() += 1.0 / samples.len() as f64;
    }
    let mut all: Vec<(&str, f64)> = by_wait.into_iter().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let most = all.first().map_or(1.0, |(_, n)| n.max(1.0));
    let line = |(wait, n): (&str, f64)| {
        let cells = ((n / most) * BAR as f64).round().max(1.0) as usize;
        let colour = match wait {
            "CPU" => Color::Green,
            "Lock" => Color::Red,
            "IO" => Color::Blue,
            _ => Color::Yellow,
        };
        Line::from(vec![
            Span::raw(format!("{wait:<10} {:>6} ", human((n * 10.0).round() / 10.0))),
            Span::styled("█".repeat(cells), Style::new().fg(colour)),
        ])
    };
    match all.is_empty() {
        true => vec![Line::styled("nobody is active", dim())],
        false => all.into_iter().map(line).collect(),
    }
}

fn draw_sessions(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>, screen: &Screen) {
    let entries = entries(scene);
    let n_rows = usize::from(area.height.saturating_sub(1));
    let at = entries.iter().position(|e| Some(e.pid) == screen.marked);
    // The marked row stays in sight.
    let first = at.map_or(0, |at| (at + 1).saturating_sub(n_rows));
    let lines: Vec<Line<'_>> = entries
        .iter()
        .skip(first)
        .take(n_rows)
        .map(|e| {
            let indent = "  ".repeat(e.depth.min(10));
            let pid = match e.pid {
                0 => "prepared".to_owned(),
                pid => format!("{pid:>8}"),
            };
            let style = match e.is_blocker {
                true => strong().fg(Color::Red),
                false => Style::new(),
            };
            let line = Line::styled(format!("{pid} {indent}{}", e.text), style);
            if Some(e.pid) == screen.marked {
                line.patch_style(Style::new().add_modifier(Modifier::REVERSED))
            } else {
                line
            }
        })
        .collect();
    let n_more = entries.len().saturating_sub(first + n_rows);
    let more = if n_more > 0 { format!("… and {n_more} more ") } else { String::new() };
    part(frame, area, &format!(" who waits for whom, and who is at work {more}"), lines);
}

fn statement_lines(scene: &Scene<'_>) -> Vec<Line<'static>> {
    let mut deltas = statement_deltas(scene.window.last_seconds(STATEMENTS_S));
    deltas.sort_by(|a, b| b.total_ms.total_cmp(&a.total_ms));
    if deltas.is_empty() {
        return vec![Line::styled("not seen: no pg_stat_statements, or too early", dim())];
    }
    deltas
        .iter()
        .take(usize::from(STATEMENT_LINES) - 1)
        .map(|d| {
            Line::raw(format!(
                "{:>9}/s {:>10} {:>10} blocks  {}",
                human(d.calls_per_s),
                human_duration(d.ms_per_call / 1000.0),
                human(d.blks_per_call),
                cut(&d.text, 160)
            ))
        })
        .collect()
}

fn change_lines(scene: &Scene<'_>) -> Vec<Line<'static>> {
    let weighed = scene.incident.map(|i| i.changes.as_slice()).unwrap_or_default();
    if weighed.is_empty() {
        let newest = scene.status.changes.iter().rev();
        return newest
            .map(|c| Line::raw(format!("{}  {}  {}", c.at.strftime("%H:%M:%S"), c.what, c.actor)))
            .collect();
    }
    weighed
        .iter()
        .rev()
        .map(|c| {
            let (word, why, colour) = match &c.standing {
                Standing::Suspect { why } => ("suspect", why, Color::Red),
                Standing::Decoy { why } => ("decoy", why, Color::Green),
                Standing::Unknown { why } => ("unknown", why, Color::Yellow),
            };
            Line::from(vec![
                Span::raw(format!("{}  ", c.at.strftime("%H:%M:%S"))),
                Span::styled(format!("{word:<8}"), Style::new().fg(colour)),
                Span::raw(format!("{} by {}: {why}", c.what, c.actor)),
            ])
        })
        .collect()
}

fn draw_question(frame: &mut Frame<'_>, question: &Question) {
    let area = frame.area();
    let height = (question.lines.len() as u16 + 5).min(area.height);
    let width = 80.min(area.width);
    let popup = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let mut lines: Vec<Line<'_>> = question.lines.iter().map(|l| Line::raw(l.as_str())).collect();
    lines.push(Line::raw(""));
    lines.push(Line::styled("y: do it    any other key: do not", strong()));
    let block = Block::bordered().title(" sure? ").border_style(Style::new().fg(Color::Red));
    frame.render_widget(Clear, popup);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }).block(block), popup);
}

fn strong() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn dim() -> Style {
    Style::new().fg(Color::DarkGray)
}

/// One line of at most `n` characters; nothing in it moves the cursor.
fn cut(text: &str, n: usize) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let line = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(n) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or("")),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_219_200 + seconds).unwrap()
    }

    fn session(pid: Pid, state: &str, blocked_by: &[Pid], query: &str) -> SessionSample {
        let waits = !blocked_by.is_empty();
        SessionSample {
            pid,
            role: "site".to_owned(),
            application: "shop".to_owned(),
            client: String::new(),
            database: "shop".to_owned(),
            backend_start: at(0),
            xact_start: Some(at(10)),
            query_start: Some(at(10)),
            state_change: Some(at(10)),
            state: state.to_owned(),
            wait_type: if waits { "Lock".to_owned() } else { String::new() },
            wait_event: String::new(),
            xid: None,
            query: query.to_owned(),
            query_id: 1,
            blocked_by: blocked_by.to_vec(),
            waits_for: waits.then(|| WaitedLock {
                kind: "relation".to_owned(),
                mode: "AccessShareLock".to_owned(),
                relation: Some(Relation::new("public", "orders")),
                since: Some(at(20)),
            }),
            holds: Vec::new(),
        }
    }

    /// A reader that idles, an ALTER TABLE behind it, and twelve readers behind that.
    fn window() -> Window {
        let statements = |calls: i64| {
            vec![StatementCounters {
                query_id: 1,
                role: "site".to_owned(),
                text: "SELECT note FROM orders WHERE id = $1".into(),
                calls,
                total_ms: calls as f64 * 2.0,
                rows: calls,
                blks: calls * 4,
                blks_read: 0,
                squares_ms2: 0.0,
            }]
        };
        let samples = (0..20)
            .map(|s| {
                let mut sessions = vec![
                    session(1, "idle in transaction", &[], "SELECT 1 \u{1b}[2J"),
                    session(2, "active", &[1], "ALTER TABLE orders ADD COLUMN paid boolean"),
                    session(90, "active", &[], "SELECT pg_sleep(1)"),
                ];
                sessions.extend((3..15).map(|pid| session(pid, "active", &[2], "SELECT note")));
                let statements = (s % 10 == 0).then(|| statements(s * 50));
                Sample { at: at(20 + s), sessions, statements, ..Sample::default() }
            })
            .collect();
        Window { samples, baseline_until: at(0), catalog: None }
    }

    fn status() -> ServerStatus {
        ServerStatus {
            server: "shop".to_owned(),
            at: at(40),
            identity: None,
            activity: None,
            blockers: Vec::new(),
            limits: Vec::new(),
            changes: vec![Event {
                at: at(5),
                server: "shop".to_owned(),
                kind: EventKind::Change,
                subject: String::new(),
                actor: "ci".to_owned(),
                what: "deploy 4711".to_owned(),
                source: Source::new(SourceKind::Ledger, ""),
            }],
            incidents: Vec::new(),
            missing: Vec::new(),
        }
    }

    fn drawn(scene: &Scene<'_>, screen: &Screen, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, scene, screen)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let rows = buffer.content.chunks(usize::from(width));
        rows.map(|row| row.iter().map(|c| c.symbol()).collect::<String>() + "\n").collect()
    }

    #[track_caller]
    fn shows(text: &str, words: &[&str]) {
        for word in words {
            assert!(text.contains(word), "`{word}` is not in:\n{text}");
        }
    }

    #[test]
    fn load_forest_statements_and_changes_are_on_one_screen() {
        let (window, status) = (window(), status());
        let scene = Scene { status: &status, window: &window, incident: None };
        let text = drawn(&scene, &Screen::default(), 100, 40);
        shows(
            &text,
            &[
                "no incident",
                "Lock           13",
                "CPU             1",
                "       1 site idle in transaction  SELECT 1",
                "       2   site waits 19 s for ACCESS SHARE on orders  ALTER TABLE",
                "       3     site waits 19 s for",
                "      90 site active 29 s  SELECT pg_sleep(1)",
                "50/s       2 ms          4 blocks  SELECT note FROM orders",
                "deploy 4711  ci",
                "c cancel",
            ],
        );
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_signal_is_asked_for_with_who_goes_on() {
        let (window, status) = (window(), status());
        let scene = Scene { status: &status, window: &window, incident: None };
        let mut screen = Screen::default();
        screen.ask(&scene, BackendSignal::Cancel);
        assert!(screen.question.is_none() && screen.said.contains("no session"));
        screen.step(&scene, 1);
        screen.step(&scene, 1);
        assert_eq!(screen.marked, Some(2));
        screen.ask(&scene, BackendSignal::Cancel);
        let text = drawn(&scene, &screen, 100, 40);
        shows(
            &text,
            &["cancel pid 2 of role site (shop), active", "12 sessions go on at once", "y: do it"],
        );
        let Act::Signal { pid, backend_start, signal, still } =
            &screen.question.as_ref().unwrap().step.act
        else {
            panic!("not a signal")
        };
        assert_eq!((*pid, *backend_start, *signal), (2, at(0), BackendSignal::Cancel));
        assert_eq!(still.query_start, Some(at(10)));

        screen.question = None;
        screen.step(&scene, -1);
        screen.ask(&scene, BackendSignal::Terminate);
        let lines = screen.question.as_ref().unwrap().lines.join("\n");
        shows(&lines, &["end pid 1", "1 sessions go on at once; 12 behind it later", "rolls back"]);
        screen.ask(&scene, BackendSignal::Cancel);
        shows(&screen.question.unwrap().lines.join("\n"), &["a cancel will end nothing"]);
    }

    #[test]
    fn the_mark_stays_on_its_session_and_in_sight_on_a_small_terminal() {
        let (mut window, status) = (window(), status());
        let mut screen = Screen::default();
        let scene = Scene { status: &status, window: &window, incident: None };
        for _ in 0..40 {
            screen.step(&scene, 1);
        }
        assert_eq!(screen.marked, Some(90));
        let text = drawn(&scene, &screen, 60, 28);
        shows(&text, &["      90 site active"]);
        drawn(&scene, &screen, 20, 6);
        window.samples.clear();
        let empty = Scene { status: &status, window: &window, incident: None };
        screen.step(&empty, 1);
        assert_eq!(screen.marked, None);
        shows(&drawn(&empty, &screen, 100, 40), &["nobody is active"]);
    }
}
