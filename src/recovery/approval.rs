//! The approver's key: who knows the passphrase can sign an approval; everybody who has the configuration can check one.
//!
//! The passphrase goes through Argon2id to the seed of an Ed25519 key pair. The configuration holds salt and public key, one-way functions of the
//! passphrase; the passphrase itself is nowhere. A signature in the store, not a mark, makes an approval: who can write the store, as the model's
//! own user can, still cannot approve.

use std::fmt;

use argon2::Argon2;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use ring::{
    rand::{SecureRandom as _, SystemRandom},
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use serde::Deserialize;

use super::Operation;

/// What the text form begins with; another way to make keys gets another number.
const PREFIX: &str = "opsmedic-approver-1";
/// Bytes of salt; Argon2 asks for at least 8.
const SALT_BYTES: usize = 16;
/// A passphrase is at least so long: who has the configuration can try passphrases, at the cost of an Argon2id run each.
const MIN_PASSPHRASE_CHARS: usize = 8;

/// Salt and public key of the approver.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ApproverKey {
    salt: [u8; SALT_BYTES],
    public: Vec<u8>,
}

/// Why a passphrase was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Not the one whose key is in the configuration.
    #[error("that is not the approver's passphrase")]
    Wrong,
    /// Too short to be one.
    #[error("a passphrase has at least {MIN_PASSPHRASE_CHARS} characters")]
    TooShort,
    /// The system gave no random bytes.
    #[error("the system gives no random numbers")]
    NoRandom,
}

impl ApproverKey {
    /// A key for a new passphrase, with a fresh salt.
    ///
    /// # Errors
    /// `TooShort` or `NoRandom`.
    pub fn make(passphrase: &str) -> Result<Self, PassphraseError> {
        if passphrase.chars().count() < MIN_PASSPHRASE_CHARS {
            return Err(PassphraseError::TooShort);
        }
        let mut salt = [0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).map_err(|_| PassphraseError::NoRandom)?;
        let public = pair(passphrase, &salt)?.public_key().as_ref().to_vec();
        Ok(Self { salt, public })
    }

    /// Signs an approval of an operation as it stands, plan and expiry included. Takes some tens of milliseconds, on purpose.
    ///
    /// # Errors
    /// `Wrong`.
    pub fn sign(&self, passphrase: &str, operation: &Operation) -> Result<String, PassphraseError> {
        let pair = self.unlock(passphrase)?;
        Ok(BASE64.encode(pair.sign(&message(operation))))
    }

    /// Whether somebody who knows the passphrase approved exactly this operation with this plan until this moment.
    pub fn approved(&self, operation: &Operation) -> bool {
        let signature = operation.approval_signature.as_deref().and_then(|text| BASE64.decode(text).ok());
        signature.is_some_and(|signature| UnparsedPublicKey::new(&ED25519, &self.public).verify(&message(operation), &signature).is_ok())
    }

    /// Whether this is the passphrase.
    ///
    /// # Errors
    /// `Wrong`.
    pub fn check(&self, passphrase: &str) -> Result<(), PassphraseError> {
        self.unlock(passphrase).map(|_| ())
    }

    fn unlock(&self, passphrase: &str) -> Result<Ed25519KeyPair, PassphraseError> {
        let pair = pair(passphrase, &self.salt)?;
        if pair.public_key().as_ref() == self.public { Ok(pair) } else { Err(PassphraseError::Wrong) }
    }
}

/// Argon2id with the parameters of its RFC's second recommendation, as the crate has them by default: 19 MiB, two passes.
fn pair(passphrase: &str, salt: &[u8]) -> Result<Ed25519KeyPair, PassphraseError> {
    let mut seed = [0u8; 32];
    Argon2::default().hash_password_into(passphrase.as_bytes(), salt, &mut seed).map_err(|_| PassphraseError::Wrong)?;
    Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| PassphraseError::Wrong)
}

/// What is signed. Every field that a person agrees to is bound; none can flow into the next.
fn message(operation: &Operation) -> Vec<u8> {
    let fields = [PREFIX, "approve", operation.operation_id.as_str(), &operation.plan.digest, &operation.expires_at.to_string()];
    fields.iter().flat_map(|field| (field.len() as u64).to_be_bytes().into_iter().chain(field.bytes())).collect()
}

impl fmt::Display for ApproverKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}:{}:{}", BASE64.encode(self.salt), BASE64.encode(&self.public))
    }
}

impl fmt::Debug for ApproverKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApproverKey({self})")
    }
}

impl TryFrom<String> for ApproverKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || "not an approver's key: `opsmedic recover passphrase` makes one, copy its whole line".to_owned();
        let parts: Vec<&str> = text.split(':').collect();
        let [PREFIX, salt, public] = parts.as_slice() else { return Err(wrong()) };
        let salt = BASE64.decode(salt).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
        let public = BASE64.decode(public).ok().filter(|bytes| bytes.len() == 32).ok_or_else(wrong)?;
        Ok(Self { salt, public })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::tests::an_operation;

    #[test]
    fn only_the_passphrase_signs_and_a_signature_holds_for_one_plan_until_one_moment() {
        let key = ApproverKey::make("correct horse").expect("long enough");
        let key = ApproverKey::try_from(key.to_string()).expect("its own text");
        let mut operation = an_operation();
        assert!(!key.approved(&operation));
        assert_eq!(key.sign("wrong horse", &operation), Err(PassphraseError::Wrong));
        operation.approval_signature = Some(key.sign("correct horse", &operation).expect("right"));
        assert!(key.approved(&operation));
        let changes: [fn(&mut Operation); 3] = [
            |o| o.plan.digest = "another".to_owned(),
            |o| o.expires_at += jiff::SignedDuration::from_secs(1),
            |o| o.operation_id = crate::types::ids::OperationId::random(),
        ];
        for change in changes {
            let mut other = operation.clone();
            change(&mut other);
            assert!(!key.approved(&other), "{other:?}");
        }
        assert!(!ApproverKey::make("correct horse").expect("long enough").approved(&operation), "another salt is another key");
    }

    #[test]
    fn wrong_texts_say_how_to_make_one() {
        for text in ["", "opsmedic-approver-1:x:y", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", "opsmedic-approver-2:AAAAAAAAAAAAAAAAAAAAAA:AA"] {
            assert!(ApproverKey::try_from(text.to_owned()).is_err_and(|e| e.contains("recover passphrase")), "{text}");
        }
        assert_eq!(ApproverKey::make("short").err(), Some(PassphraseError::TooShort));
    }
}
