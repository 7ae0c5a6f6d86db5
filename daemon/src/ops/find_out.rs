//! Which requests what speaks for the peer is looked at for, before they are judged.

use glassdome_proto::pin::Proof;
use glassdome_proto::{Body, Refusal, policy as wire_policy, secrets, session, settings as wire, storage};

use super::Asking;
use crate::standing;

impl Asking {
    /// Finds out what speaks for the peer, where `body` is a request that the policy judges.
    ///
    /// # Errors
    /// The refusal to send.
    pub async fn find_out(&self, body: &Body<'_>) -> Result<(), Refusal<'static>> {
        use wire_policy::Request;
        match body {
            // Whoever guesses is to stand in the log, if it can be seen; a try that cannot be is one all the same.
            Body::Session(session::Request::Prove { proof: Proof::Pin(_) }) => {
                // What failed was recorded.
                let _ = standing::find_out(&self.state, &self.peer, &self.stand).await;
                Ok(())
            }
            Body::Storage(storage::Request::Test { proof: None }) => {
                standing::find_out(&self.state, &self.peer, &self.stand).await
            }
            Body::Secrets(secrets::Request::Export { .. })
            | Body::Session(_)
            | Body::More(_)
            | Body::Storage(_)
            | Body::Rotation(_)
            | Body::Settings(
                wire::Request::Set { .. }
                | wire::Request::SetAuditor { .. }
                | wire::Request::AcceptLog { .. }
                | wire::Request::Slots
                | wire::Request::SetRecovery { .. },
            ) => Ok(()),
            // The password speaks for it, and nothing that hangs may keep it from being heard.
            Body::Policy(
                Request::Draft(_)
                | Request::Allow { .. }
                | Request::RemoveRule { .. }
                | Request::WhoAmI { proof: Some(_), .. }
                | Request::Rules { proof: Some(_), .. }
                | Request::Grants { proof: Some(_) }
                | Request::Test { proof: Some(_), .. }
                | Request::Handles { proof: Some(_), .. }
                | Request::Answers { proof: Some(_), .. }
                | Request::Questions { proof: Some(_), .. }
                | Request::Approve { proof: Some(_), .. }
                | Request::Refuse { proof: Some(_), .. }
                | Request::Revoke { proof: Some(_), .. }
                | Request::Explain { proof: Some(_), .. }
                | Request::Edit { proof: Some(_), .. }
                | Request::Edits { .. }
                | Request::SealEdits { .. },
            ) => Ok(()),
            // With each chunk it is seen whether that still holds.
            Body::Secrets(_) | Body::Settings(_) | Body::Policy(_) | Body::Crypto(_) => {
                standing::find_out(&self.state, &self.peer, &self.stand).await
            }
        }
    }
}
