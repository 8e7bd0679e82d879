//! How far the server's clock is from ours, measured again and again.

use super::Sampler;
use crate::error::Error;
use crate::eyes::{self, Eyes};
use pgward_model::prelude::*;

pub(super) static SAMPLER: Sampler = Sampler { id: "clock", period_s: 5.0, rights: "none", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let offset = eyes::clock_offset(eyes.session()?)?;
    sample.clock_offset_ms = Some(offset.as_secs_f64() * 1000.0);
    Ok(())
}
