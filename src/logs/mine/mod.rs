//! Placeholder until the miner lands.
mod placeholder;
pub(crate) fn mask(message: &[u8], out: &mut Vec<u8>) {
    out.clear();
    placeholder::mask_into(&message[..message.len().min(1024)], out);
}
pub(crate) struct Clusters {
    pub(crate) of: Vec<u32>,
    pub(crate) templates: Vec<String>,
}
pub(crate) fn cluster(sequences: &[(&[u8], u64)]) -> Clusters {
    Clusters {
        of: (0..sequences.len() as u32).collect(),
        templates: sequences.iter().map(|(s, _)| String::from_utf8_lossy(s).into_owned()).collect(),
    }
}
