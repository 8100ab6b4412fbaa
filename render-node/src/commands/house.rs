//! `render-node schedule` and `config`: what the owner of the machine allows the node. A node that works keeps
//! it within a second.

use crate::house::look_once;
use crate::house::rules::HouseRules;
use anyhow::{anyhow, bail};
use std::path::PathBuf;
use tessera_protocol::house::hours::Hours;

/// Which node.
#[derive(Debug, clap::Args)]
pub struct OfNode {
    /// The node's own folder.
    #[arg(long, value_name = "DIR", env = "TESSERA_NODE_STATE", default_value = ".tessera-node")]
    state: PathBuf,
}

/// When it may work.
#[derive(Debug, clap::Args)]
pub struct Schedule {
    #[command(flatten)]
    node: OfNode,
    /// The hours by this machine's clock, for example 'mon-fri 19:00-07:00, sat-sun', '22:00-06:00', or
    /// 'always'; without them the present ones are shown. The portal sets them as well: whoever spoke last wins.
    #[arg(value_name = "HOURS")]
    hours: Vec<String>,
}

/// What else it has to mind.
#[derive(Debug, clap::Args)]
pub struct Config {
    #[command(flatten)]
    node: OfNode,
    /// What to change; without it all is shown.
    #[arg(value_enum, requires = "value")]
    what: Option<Rule>,
    /// The new value: on or off, degrees Celsius or watts, or none.
    value: Option<String>,
}

/// One of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Rule {
    /// Whether to work only while nobody else uses the processor or an NVIDIA GPU: on or off.
    OnlyWhenIdle,
    /// How hot processor and GPUs may become, in degrees Celsius, or none.
    MaxTemperature,
    /// What the GPUs may draw together, in watts, or none.
    MaxPower,
}

impl OfNode {
    fn rules(&self) -> anyhow::Result<HouseRules> {
        if !self.state.is_dir() {
            bail!(
                "there is no folder {}: start the node once, or say where its own is by --state",
                self.state.display()
            );
        }
        HouseRules::read(&self.state).map_err(|reason| anyhow!(reason))
    }

    fn keep(&self, rules: &HouseRules) -> anyhow::Result<()> {
        rules.write(&self.state).map_err(|reason| anyhow!(reason))?;
        show(rules);
        Ok(())
    }
}

/// Shows the hours, or changes them.
pub fn schedule(arguments: &Schedule) -> anyhow::Result<()> {
    let mut rules = arguments.node.rules()?;
    if arguments.hours.is_empty() {
        println!("{}", rules.hours);
        return Ok(());
    }
    let hours = arguments.hours.join(" ").parse::<Hours>()?;
    rules.set_hours(hours, jiff::Timestamp::now().as_millisecond());
    arguments.node.keep(&rules)?;
    println!(
        "These hours hold, whatever the portal said before, until somebody sets others, here or there."
    );
    Ok(())
}

/// Shows all rules, or changes one.
pub fn config(arguments: &Config) -> anyhow::Result<()> {
    let mut rules = arguments.node.rules()?;
    let (Some(what), Some(value)) = (arguments.what, &arguments.value) else {
        show(&rules);
        return Ok(());
    };
    match what {
        Rule::OnlyWhenIdle => {
            rules.only_when_idle = match value.as_str() {
                "on" => true,
                "off" => false,
                other => bail!("'{other}' is neither on nor off"),
            }
        }
        Rule::MaxTemperature => {
            rules.max_temperature_c = number(value, 30..=110, "degrees Celsius")?.map(|c| c as i16);
        }
        Rule::MaxPower => rules.max_power_w = number(value, 10..=100_000, "watts")?,
    }
    arguments.node.keep(&rules)
}

/// A number, or none.
fn number(
    text: &str,
    allowed: std::ops::RangeInclusive<u32>,
    unit: &str,
) -> anyhow::Result<Option<u32>> {
    if text == "none" {
        return Ok(None);
    }
    match text.parse() {
        Ok(number) if allowed.contains(&number) => Ok(Some(number)),
        _ => bail!("'{text}' is not none, nor {} to {} {unit}", allowed.start(), allowed.end()),
    }
}

fn show(rules: &HouseRules) {
    let seen = look_once();
    let told = |value: Option<String>, unit: &str| {
        value.map_or_else(|| "none".to_owned(), |value| format!("{value} {unit}"))
    };
    let now = |value: Option<String>, unit: &str| match value {
        Some(value) => format!("now {value} {unit}"),
        None => "this machine does not tell".to_owned(),
    };
    let (hot, power) = (rules.max_temperature_c, rules.max_power_w);
    println!("schedule         {}", rules.hours);
    println!("only-when-idle   {}", if rules.only_when_idle { "on" } else { "off" });
    println!(
        "max-temperature  {:<10} {}",
        told(hot.map(|c| c.to_string()), "°C"),
        now(seen.temperature_c.map(|c| c.to_string()), "°C")
    );
    println!(
        "max-power        {:<10} {}",
        told(power.map(|w| w.to_string()), "W"),
        now(seen.power_w.map(|w| w.to_string()), "W")
    );
    for gap in rules.cannot_be_kept(&seen) {
        println!("note: {gap}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceiling_is_a_number_that_makes_sense_or_none() {
        let celsius = |text| number(text, 30..=110, "degrees Celsius");
        assert_eq!(celsius("none").unwrap(), None);
        assert_eq!(celsius("83").unwrap(), Some(83));
        for text in ["", "29", "111", "-5", "83.5", "hot"] {
            let error = celsius(text).unwrap_err().to_string();
            assert!(error.contains("30 to 110 degrees Celsius"), "{error}");
        }
    }
}
