//! The sealed settings: shown to whom the policy lets, changed with the master password only.

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::settings::{self as wire, Setting};
use glassdome_proto::{Answer, List, Refusal, Text};
use glassdome_vault::{Keys, Vault};

use super::{Asking, Turn, password};
use crate::gate;
use crate::policy::Question;
use crate::refuse;
use crate::settings::{ALL, Settings, Spec, find};

/// The setting that holds at once.
const SCREEN: &str = "screen";

/// All settings with their values.
pub fn show(asking: &Asking) -> Result<Answer<'static>, Refusal<'static>> {
    let permit = gate::admit(asking, Event::Settings, Question::Sealed)?;
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let all = ALL.iter().map(|spec| setting(spec, &vault, permit.keys())).collect::<Result<Vec<_>, _>>();
    let by = permit.by().word();
    drop(permit);
    asking.record(Event::Settings, Outcome::Allowed, None, &by)?;
    let all = List::new(all?).ok_or_else(|| refuse::protocol("more settings than a message holds"))?;
    Ok(Answer::Settings(wire::Answer::All(all)))
}

/// Seals another value of a setting. It holds from the next unlock on; `screen`, which may be what keeps somebody
/// out, at once.
pub async fn set(
    asking: Asking,
    password: LockedBytes,
    key: String,
    value: String,
) -> Result<Answer<'static>, Refusal<'static>> {
    let spec = find(&key).ok_or_else(|| {
        let keys: Vec<&str> = ALL.iter().map(|spec| spec.key).collect();
        refuse::usage(format!("no such setting. Settings: {}", keys.join(", ")))
    })?;
    if !spec.takes(&value) {
        return Err(refuse::usage(format!("not a value of {}: {}", spec.key, spec.about)));
    }
    let locks = asking.state.screens().locks();
    let keys = password::verify(&asking, Event::ChangeSetting, password).await?;
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    let turn = Turn::take_with(&asking, &keys).await?;
    let change = vault
        .draft(&keys)
        .and_then(|mut draft| {
            draft.setting(spec.key, Some(value.as_bytes()))?;
            draft.finish()
        })
        .map_err(|error| refuse::vault(&error))?;
    asking.record(Event::ChangeSetting, Outcome::Allowed, None, spec.key)?;
    let failed = |asking: &Asking| asking.record(Event::ChangeSetting, Outcome::Failed, None, spec.key);
    turn.commit(&asking, vault.clone(), change, failed).await?;
    if spec.key == SCREEN {
        // Not what was typed: somebody may have sealed another one since.
        let settings = Settings::read(&vault, &keys).map_err(|error| refuse::unread(&error))?;
        asking.state.heed_screens(settings.screen, locks);
    }
    Ok(Answer::Settings(wire::Answer::Set(setting(spec, &vault, &keys)?)))
}

fn setting(spec: &Spec, vault: &Vault, keys: &Keys) -> Result<Setting<'static>, Refusal<'static>> {
    let (value, default) = spec.value(vault, keys).map_err(|error| refuse::vault(&error))?;
    Ok(Setting { key: Text::cut(spec.key), value: Text::cut(value), default, about: Text::cut(spec.about) })
}
