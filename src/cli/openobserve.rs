//! `voiced openobserve install`: our dashboard and alerts in an OpenObserve.

use std::ffi::OsStr;
use std::process::ExitCode;

use conversation::Secret;

use crate::config::{Config, Env};
use crate::openobserve::{Assets, Done, Installation, Step, Target, Wanted};
use crate::output;

use super::InstallArgs;

pub(super) async fn install(config: Config, env: &Env, args: InstallArgs) -> anyhow::Result<ExitCode> {
    let token = env.var("OPENOBSERVE_TOKEN").and_then(OsStr::to_str).filter(|token| !token.trim().is_empty());
    let wanted = Wanted { url: args.url, org: args.org, token: token.map(Secret::new) };
    let target = Target::new(wanted, &config.telemetry)?;
    let assets = Assets::new(&target.stream, &target.service)?;
    let webhook = args.webhook.map(|url| Secret::new(url.as_str()));
    let installation = Installation::new(&target, assets, args.destination, webhook, args.dry_run)?;
    // The step under way is installed whole, whether or not its report can be printed.
    let mut printed = Ok(());
    let tell = |step: &Step| {
        if printed.is_ok() {
            printed = output::line(line(step, args.dry_run));
        }
    };
    installation.run(tell).await?;
    printed?;
    if args.dry_run {
        output::line("Nothing was written: this was a dry run.")?;
    } else {
        output::line(format!("See {}/web/dashboards", target.root.as_str().trim_end_matches('/')))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn line(Step { done, kind, name }: &Step, dry_run: bool) -> String {
    let (word, why) = match done {
        Done::Created if dry_run => ("would create", ""),
        Done::Created => ("created", ""),
        Done::Updated if dry_run => ("would update", ""),
        Done::Updated => ("updated", ""),
        Done::Unchanged => ("unchanged", ""),
        Done::Skipped(why) => ("skipped", *why),
    };
    format!("{word:12}  {kind:11}  {name}  {why}").trim_end().to_owned()
}
