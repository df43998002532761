//! Tokens and keys for tests. Nothing here is of the library that the gateway reads tokens with.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, RsaKeyPair},
};
use serde_json::{Value, json};

use crate::support::running::empty_folder;

pub(crate) const SECRET: &str = "a secret of the tests: long enough to be one";

pub(super) fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

/// A token for these rooms that counts for long.
pub(crate) fn token(rooms: &[&str]) -> String {
    secret(&json!({"exp": now() + 3600, "rooms": rooms, "sub": "somebody"}))
}

/// A token for every room that counts until then. The leeway of the gateway is taken off.
pub(super) fn until(second: i64) -> String {
    secret(&json!({"exp": second - 10, "rooms": ["*"]}))
}

/// The `exp` of a token.
pub(super) fn end_of(token: &str) -> i64 {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["exp"].as_i64().unwrap()
}

pub(super) fn secret(claims: &Value) -> String {
    hs256(claims, SECRET.as_bytes())
}

pub(super) fn hs256(claims: &Value, secret: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    signed(&json!({"alg": "HS256", "typ": "JWT"}), claims, |message| {
        hmac::sign(&key, message).as_ref().to_vec()
    })
}

pub(super) fn signed(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// A key that openssl has made, in a folder of its own.
pub(super) struct KeyPair {
    folder: PathBuf,
    algorithm: &'static str,
}

impl KeyPair {
    pub(super) fn rsa() -> Self {
        Self::made("RS256", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048")
    }

    pub(super) fn p256() -> Self {
        Self::made("ES256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256")
    }

    /// A pair that is too small to be safe.
    pub(super) fn small_rsa() -> Self {
        Self::made("RS256", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024")
    }

    fn made(algorithm: &'static str, options: &str) -> Self {
        let folder = empty_folder();
        openssl(&folder, options);
        Self { folder, algorithm }
    }

    pub(super) fn public_file(&self) -> PathBuf {
        self.folder.join("public.pem")
    }

    pub(super) fn private_file(&self) -> PathBuf {
        self.folder.join("private.pem")
    }

    pub(super) fn public_der(&self) -> Vec<u8> {
        fs::read(self.folder.join("public.der")).unwrap()
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(self.algorithm, claims)
    }

    /// A token whose header names this algorithm, whatever the key's is.
    pub(super) fn sign_as(&self, algorithm: &str, claims: &Value) -> String {
        let key = fs::read(self.folder.join("private.der")).unwrap();
        let random = SystemRandom::new();
        signed(&json!({"alg": algorithm}), claims, |message| match self.algorithm {
            "RS256" => {
                let key = RsaKeyPair::from_pkcs8(&key).unwrap();
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            _ => {
                let kind = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let key = EcdsaKeyPair::from_pkcs8(kind, &key, &random).unwrap();
                key.sign(&random, message).unwrap().as_ref().to_vec()
            }
        })
    }
}

impl Drop for KeyPair {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn openssl(folder: &Path, options: &str) {
    let script = format!(
        "set -e; openssl genpkey {options} -out private.pem; openssl pkey -in private.pem -pubout -out public.pem
        openssl pkcs8 -topk8 -nocrypt -in private.pem -outform DER -out private.der
        openssl pkey -in private.pem -pubout -outform DER -out public.der"
    );
    let made = Command::new("sh").args(["-c", &script]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
