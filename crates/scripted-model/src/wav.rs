//! WAV files of 16-bit mono.

/// The bytes in front of the samples.
const HEADER_BYTES: usize = 44;

/// A file of these samples.
pub fn encode(samples: &[i16], rate: u32) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut file = Vec::with_capacity(HEADER_BYTES + data.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(data.len() as u32 + 36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(rate * 2).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(&data);
    file
}

/// The samples and the rate of a file. The reason why it is none.
pub(crate) fn decode(file: &[u8]) -> Result<(Vec<i16>, u32), String> {
    let header = file.get(..HEADER_BYTES).ok_or("The audio file is shorter than a WAV header.")?;
    let (samples, rate) =
        (&file[HEADER_BYTES..], u32::from_le_bytes([header[24], header[25], header[26], header[27]]));
    let samples: Vec<i16> = samples.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    // All of the header follows from the samples and the rate, so it is right when it is the same.
    if encode(&samples, rate) != file {
        return Err("The audio file is no WAV file of 16-bit mono, or its lengths are wrong.".to_owned());
    }
    Ok((samples, rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_back_and_a_wrong_one_is_refused() {
        let file = encode(&[1, -2, 3], 16_000);
        assert_eq!(decode(&file).unwrap(), (vec![1, -2, 3], 16_000));
        let mut wrong = file.clone();
        wrong[40] = 2;
        assert!(decode(&wrong).is_err() && decode(&file[..20]).is_err() && decode(&file[..49]).is_err());
    }
}
