//! The lock tree: who waits for whom at the worst moment, the root on top.

use super::canvas::*;
use maud::{Markup, html};
use pgward_model::evidence::human_duration;
use pgward_model::postmortem::LockTreeNode;
use std::collections::HashSet;

const INDENT: f64 = 40.0;
const LEFT: f64 = 24.0;
const GAP: f64 = 10.0;
/// Sessions shown behind one session; the others are counted.
const CHILDREN_MAX: usize = 3;
/// Deeper chains are drawn without further indent.
const DEPTH_MAX: usize = 8;
/// Cards in one picture.
const CARDS_MAX: usize = 40;

/// What stands in one place of the tree.
enum Card<'a> {
    Session(&'a LockTreeNode),
    /// Sessions that are only counted, with the longest wait in seconds.
    Folded {
        n: usize,
        waited_s: f64,
        waits_for: String,
    },
}

struct Placed<'a> {
    card: Card<'a>,
    depth: usize,
    y: f64,
    parent: Option<usize>,
}

/// The tree; `None` where nobody waited.
pub fn lock_tree(nodes: &[LockTreeNode]) -> Option<String> {
    let waiting = nodes.iter().filter(|n| n.parent.is_some()).count();
    if waiting == 0 {
        return None;
    }
    let placed = placed(nodes);
    let bottom = placed.last().map_or(0.0, |p| p.y + height(&p.card));
    let title = format!("Lock tree at the worst moment: {waiting} sessions wait");
    let body = html! {
        (text(20.0, 30.0, "h", Ink::Text, Anchor::Start, &title))
        (text(20.0, 50.0, "s", Ink::Dim, Anchor::Start,
            "each session waits for the one it hangs from"))
        @for p in &placed { (connector(p, &placed)) }
        @for p in &placed { (drawn(p)) }
    };
    Some(picture(bottom + 20.0, &title, &body))
}

fn placed(nodes: &[LockTreeNode]) -> Vec<Placed<'_>> {
    let known: HashSet<i32> = nodes.iter().map(|n| n.pid).collect();
    let mut out: Vec<Placed> = Vec::new();
    let mut seen = HashSet::new();
    let root = |n: &&LockTreeNode| n.parent.is_none_or(|p| !known.contains(&p));
    // A ring (a deadlock) has no root: then any session of it stands for one.
    for node in nodes.iter().filter(root).chain(nodes) {
        place(node, nodes, 0, None, &mut seen, &mut out);
    }
    out.extend(left_over(nodes, &out));
    let mut y = 68.0;
    for p in &mut out {
        p.y = y;
        y += height(&p.card) + GAP;
    }
    out
}

/// Sessions beyond the last card are counted, never silently left out.
fn left_over<'a>(nodes: &[LockTreeNode], placed: &[Placed]) -> Option<Placed<'a>> {
    let told = |p: &Placed| match p.card {
        Card::Session(_) => 1,
        Card::Folded { n, .. } => n,
    };
    let n = nodes.len().saturating_sub(placed.iter().map(told).sum());
    let waited_s = nodes.iter().map(|n| n.waited_s).fold(0.0, f64::max);
    let card = Card::Folded { n, waited_s, waits_for: String::new() };
    (n > 0).then_some(Placed { card, depth: 0, y: 0.0, parent: None })
}

fn place<'a>(
    node: &'a LockTreeNode,
    nodes: &'a [LockTreeNode],
    depth: usize,
    parent: Option<usize>,
    seen: &mut HashSet<i32>,
    out: &mut Vec<Placed<'a>>,
) {
    if !seen.insert(node.pid) || out.len() >= CARDS_MAX {
        return;
    }
    let here = out.len();
    out.push(Placed { card: Card::Session(node), depth, y: 0.0, parent });
    let leads = |n: &LockTreeNode| nodes.iter().any(|m| m.parent == Some(n.pid));
    let mut children: Vec<&LockTreeNode> =
        nodes.iter().filter(|n| n.parent == Some(node.pid) && n.pid != node.pid).collect();
    // Those who keep others waiting first, then those that wait longest.
    children.sort_by(|a, b| {
        leads(b).cmp(&leads(a)).then(b.waited_s.total_cmp(&a.waited_s)).then(a.pid.cmp(&b.pid))
    });
    let n_shown = children.iter().filter(|n| leads(n)).count().max(CHILDREN_MAX);
    // One left over is shown, not counted.
    let n_shown = if children.len() == n_shown + 1 { children.len() } else { n_shown };
    for child in children.iter().take(n_shown) {
        place(child, nodes, depth + 1, Some(here), seen, out);
    }
    let rest: Vec<&&LockTreeNode> = children.iter().skip(n_shown).collect();
    seen.extend(rest.iter().map(|n| n.pid));
    if !rest.is_empty() {
        let waited_s = rest.iter().map(|n| n.waited_s).fold(0.0, f64::max);
        let first = rest.first().map_or("", |n| n.waits_for.as_str());
        let same = rest.iter().all(|n| n.waits_for == first);
        let waits_for = if same { first.to_owned() } else { String::new() };
        let card = Card::Folded { n: rest.len(), waited_s, waits_for };
        out.push(Placed { card, depth: depth + 1, y: 0.0, parent: Some(here) });
    }
}

/// Tenths matter only in the first seconds.
fn waited(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round() / 10.0;
    human_duration(if seconds < 10.0 { tenths } else { seconds.round() })
}

fn height(card: &Card) -> f64 {
    match card {
        Card::Session(node) if node.statement.is_empty() => 34.0,
        Card::Session(_) => 54.0,
        Card::Folded { .. } => 32.0,
    }
}

fn left(depth: usize) -> f64 {
    LEFT + INDENT * depth.min(DEPTH_MAX) as f64
}

fn connector(p: &Placed, all: &[Placed]) -> Markup {
    let Some(parent) = p.parent.and_then(|i| all.get(i)) else { return html! {} };
    let x = left(parent.depth) + 18.0;
    let from = parent.y + height(&parent.card);
    let to = p.y + height(&p.card).min(34.0) / 2.0;
    let end = left(p.depth);
    let bent = if end > x + 8.0 {
        format!("M{} {}V{}q0 8 8 8H{}", px(x), px(from), px(to - 8.0), px(end))
    } else {
        format!("M{} {}V{}", px(x), px(from), px(p.y))
    };
    stroke(&bent, Ink::Dim, 1.5, "")
}

fn drawn(p: &Placed) -> Markup {
    let (x, y) = (left(p.depth), p.y);
    let width = WIDTH - 24.0 - x;
    match &p.card {
        Card::Folded { n, waited_s, waits_for } => {
            let on = if waits_for.is_empty() { String::new() } else { format!(" for {waits_for}") };
            let words = format!("… and {n} more wait{on}, up to {}", waited(*waited_s));
            html! {
                rect x=(px(x)) y=(px(y)) width=(px(width)) height="32" rx="6"
                    fill="none" stroke=(Ink::Line.plain()) stroke-dasharray="4 3"
                    style=(Ink::Line.stroke()) {}
                (text(x + 14.0, y + 21.0, "", Ink::Dim, Anchor::Start, &words))
            }
        }
        Card::Session(node) => session(node, x, y, width, height(&p.card)),
    }
}

fn session(node: &LockTreeNode, x: f64, y: f64, width: f64, height: f64) -> Markup {
    let root = node.parent.is_none();
    let ink = if root { Ink::Bad } else { Ink::Warn };
    let pid =
        if node.pid == 0 { "prepared transaction".to_owned() } else { format!("pid {}", node.pid) };
    let who: Vec<&str> = [node.role.as_str(), node.application.as_str()]
        .into_iter()
        .filter(|w| !w.is_empty())
        .collect();
    let right = match (root, node.waits_for.is_empty()) {
        (true, _) if node.waited_s > 0.0 => {
            format!("{}, open {}", node.state, waited(node.waited_s))
        }
        (true, _) => node.state.clone(),
        (false, true) => format!("waits {}", waited(node.waited_s)),
        (false, false) => {
            format!("waits {} for {}", waited(node.waited_s), node.waits_for)
        }
    };
    let right = cut(&right, "s b", width * 0.6);
    let after_pid = x + 14.0 + text_px(&pid, "b") + 10.0;
    let room = x + width - 14.0 - text_px(&right, "s b") - 12.0 - after_pid;
    html! {
        g class="session" {
            title { (clean(&node.statement)) }
            rect x=(px(x)) y=(px(y)) width=(px(width)) height=(px(height)) rx="6"
                fill=(Ink::Soft.plain()) stroke=(Ink::Line.plain())
                style=(format!("{};{}", Ink::Soft.fill(), Ink::Line.stroke())) {}
            rect x=(px(x)) y=(px(y + 6.0)) width="4" height=(px(height - 12.0)) rx="2"
                fill=(ink.plain()) style=(ink.fill()) {}
            (text(x + 14.0, y + 22.0, "b", Ink::Text, Anchor::Start, &pid))
            (text(after_pid, y + 22.0, "", Ink::Dim, Anchor::Start,
                &cut(&who.join(" · "), "", room.max(0.0))))
            (text(x + width - 14.0, y + 22.0, "s b", ink, Anchor::End, &right))
            @if !node.statement.is_empty() {
                (text(x + 14.0, y + 42.0, "m", Ink::Text, Anchor::Start,
                    &cut(&node.statement, "m", width - 28.0)))
            }
        }
    }
}
