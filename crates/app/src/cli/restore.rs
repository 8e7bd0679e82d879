//! `pgward restore`: brings a table, a block or rows back from backup and WAL.

use super::{Database, Exit, Programs, VaultDir};
use crate::face;
use anyhow::{Context, bail};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_recover::actions::Cx;
use pgward_recover::execute::{self, Hands};
use pgward_recover::moment;
use pgward_recover::restore;
use pgward_render::view;

/// Bring a dropped table, a damaged block or changed rows back, and touch nothing else
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Restore {
    #[command(flatten)]
    database: Database,
    /// A dropped table, with everything that depended on it
    #[arg(long, value_name = "TABLE", group = "what")]
    table: Option<String>,
    /// A damaged block of a table, as TABLE:BLOCK; on the server's own machine
    #[arg(long, value_name = "TABLE:BLOCK", group = "what")]
    block: Option<String>,
    /// Rows of a table that one transaction changed and nobody since
    #[arg(long, value_name = "TABLE", group = "what", requires = "transaction")]
    rows: Option<String>,
    /// The transaction that did it (see pgward.ddl_log, or xmin of the rows)
    #[arg(long, value_name = "XID")]
    transaction: Option<u64>,
    /// Print the runbook, change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    vault: VaultDir,
    #[command(flatten)]
    programs: Programs,
}

impl Restore {
    pub fn run(self) -> anyhow::Result<Exit> {
        let target = self.database.target()?;
        let session = Session::connect(&target, Purpose::Act)?;
        let installation = self.programs.fitting(session.major())?;
        let Some(vault) = self.vault.backups()? else {
            bail!(
                "{}: no vault here; take a backup first: pgward backup",
                self.vault.vault.display()
            );
        };
        let evidence = vault.dir.join("evidence");
        let hands = Hands::open(target, Some(vault), installation, evidence)?;
        let acting = hands.acting()?;
        let act = self.act(&hands, &acting.session)?;
        let step = Step {
            number: 1,
            title: title(&act),
            act,
            limits: Limits::RESTORE,
            expectations: Vec::new(),
            undo: Undo::Nothing,
        };
        let runbook = Runbook {
            action: "restore".to_owned(),
            title: step.title.clone(),
            why: "only what was lost comes back; everything else stays as it is".to_owned(),
            steps: vec![step.clone()],
            loss: Loss { n_rows: Some(0), explain: "no later write is touched".to_owned() },
        };
        face::show(&view::runbook(&runbook))?;
        if self.dry_run {
            return Ok(Exit::Quiet);
        }
        let done = execute::step(&hands, &acting, "restore", &step)?;
        face::line(&format!("{}{done}", step.title))?;
        Ok(Exit::Quiet)
    }

    fn act(&self, hands: &Hands, session: &Session) -> anyhow::Result<Act> {
        let cx = Cx {
            session,
            vault: hands.vault.as_ref(),
            installation: hands.installation.as_ref(),
            data_dir: hands.data_dir(session),
        };
        if let Some(table) = &self.table {
            restore::check_gone(session, &[relation(table)])?;
        }
        // Planning reads only; who asked for a restore has allowed the switch of WAL it needs.
        if let (false, None, Some(vault)) = (self.dry_run, &cx.data_dir, cx.vault) {
            pgward_sandbox::backup::flush_wal(session, vault)?;
        }
        if let Some(table) = &self.table {
            let relation = relation(table);
            let xid = match self.transaction {
                Some(xid) => xid,
                None => dropped_by(session, &relation)?,
            };
            let target_lsn = moment::before_transaction(&cx, "restore_table", xid, None)?;
            return Ok(Act::RestoreObjects { relations: vec![relation], target_lsn });
        }
        if let Some(block) = &self.block {
            let (table, number) =
                block.rsplit_once(':').context("--block is of the form TABLE:BLOCK")?;
            let block = number.parse().with_context(|| format!("`{number}` is no block number"))?;
            return Ok(Act::RestoreBlock { relation: relation(table), block });
        }
        let table = self.rows.as_deref().unwrap_or_default();
        let xid = self.transaction.unwrap_or_default();
        let target_lsn = moment::before_end(&cx, &relation(table), xid)?;
        Ok(Act::RestoreRows { relation: relation(table), xid, target_lsn })
    }
}

fn relation(text: &str) -> Relation {
    match text.split_once('.') {
        Some((schema, name)) => Relation::new(schema, name),
        None => Relation::new("public", text),
    }
}

/// The transaction that dropped it, by the DDL log.
fn dropped_by(session: &Session, relation: &Relation) -> anyhow::Result<u64> {
    let events = pgward_pg::install::read_ddl(session, 0)
        .context("who dropped it is not known without the DDL log; give --transaction XID")?;
    events
        .iter()
        .rev()
        .map(|(_, e)| e)
        .filter(|e| e.dropped && e.object_kind == "table")
        .find(|e| e.relation.as_ref().is_some_and(|r| r.same_as(relation)))
        .and_then(|e| e.xid)
        .with_context(|| format!("the DDL log has no drop of {relation}; give --transaction XID"))
}

fn title(act: &Act) -> String {
    match act {
        Act::RestoreObjects { relations, target_lsn } => {
            let names: Vec<String> = relations.iter().map(ToString::to_string).collect();
            format!("bring {} back to just before LSN {target_lsn}", names.join(", "))
        }
        Act::RestoreBlock { relation, block } => format!("restore block {block} of {relation}"),
        Act::RestoreRows { relation, xid, .. } => {
            format!("give rows of {relation} the values of before transaction {xid}")
        }
        _ => String::new(),
    }
}
