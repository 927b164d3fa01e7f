//! Havoc: a handful of random changes to a seed, as AFL's stage of that name makes them.
//!
//! Input i of a target is a function of (seed, target, i) and of the corpus, so that any input is made
//! again from its number, and a campaign goes on where it was stopped.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::{Corpus, Target};

/// The longest input in bytes.
pub const MAX_LEN: usize = 1 << 16;

/// The most changes to one input.
const MAX_CHANGES: u32 = 5;

/// Numbers at the edges of what fits into a byte, two, four or eight, and around common sizes.
const INTERESTING: [u64; 27] = [
    0,
    1,
    2,
    7,
    8,
    16,
    31,
    32,
    64,
    100,
    0x7f,
    0x80,
    0xff,
    0x100,
    1000,
    0x1000,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// Makes the inputs of a target.
#[derive(Debug)]
pub struct Mutator<'a> {
    target: &'a Target,
    corpus: &'a Corpus,
    key: [u8; 32],
}

impl<'a> Mutator<'a> {
    /// The inputs of `target` under `seed`.
    #[must_use]
    pub fn new(target: &'a Target, corpus: &'a Corpus, seed: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(target.name);
        Self {
            target,
            corpus,
            key: hash.finalize().into(),
        }
    }

    /// Input `number`: the seeds as they are first, then mutations of them.
    #[must_use]
    pub fn input(&self, number: u64) -> Vec<u8> {
        let seeds = &self.corpus.seeds;
        if let Some((_, seed)) = usize::try_from(number).ok().and_then(|n| seeds.get(n)) {
            return seed.clone();
        }
        let mut random = ChaCha8Rng::from_seed(self.key);
        random.set_stream(number);
        let mut bytes = self.pick(&mut random).to_vec();
        let changes = 1 << random.random_range(0..MAX_CHANGES);
        for _ in 0..changes {
            self.change(&mut bytes, &mut random);
            bytes.truncate(MAX_LEN);
        }
        if let Some(repair) = self.target.repair
            && random.random()
        {
            repair(&mut bytes);
        }
        bytes
    }

    fn pick(&self, random: &mut ChaCha8Rng) -> &'a [u8] {
        let seeds = &self.corpus.seeds;
        &seeds[random.random_range(0..seeds.len())].1
    }

    fn change(&self, bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
        match random.random_range(0..16) {
            0 => flip_bit(bytes, random),
            1 => overwrite(bytes, &[random.random()], random),
            2..=4 => interesting(bytes, random),
            5 => nudge(bytes, random),
            6 => {
                let cut = part(bytes.len(), random);
                bytes.drain(cut);
            }
            7 => {
                let copied = bytes[part(bytes.len(), random)].to_vec();
                insert(bytes, &copied, random);
            }
            8 => {
                let copied = bytes[part(bytes.len(), random)].to_vec();
                overwrite(bytes, &copied, random);
            }
            9 => bytes.truncate(random.random_range(0..=bytes.len())),
            10 => {
                let mut noise = vec![0; random.random_range(1..32)];
                random.fill_bytes(&mut noise);
                insert(bytes, &noise, random);
            }
            11 => {
                let run = vec![random.random(); random.random_range(1..256)];
                insert(bytes, &run, random);
            }
            12 => number_in_text(bytes, random),
            13 => self.splice(bytes, random),
            _ => match self.target.dictionary {
                [] => flip_bit(bytes, random),
                dictionary => {
                    let token = dictionary[random.random_range(0..dictionary.len())];
                    if random.random() {
                        insert(bytes, token, random);
                    } else {
                        overwrite(bytes, token, random);
                    }
                }
            },
        }
    }

    /// Goes on with the rest of another seed.
    fn splice(&self, bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
        let other = self.pick(random);
        bytes.truncate(random.random_range(0..=bytes.len()));
        let from = random.random_range(0..=other.len());
        bytes.extend_from_slice(&other[from..]);
    }
}

/// A part of `0..len`, more often a short one.
fn part(len: usize, random: &mut ChaCha8Rng) -> std::ops::Range<usize> {
    let start = random.random_range(0..=len);
    let longest = if random.random_ratio(1, 4) { len } else { 16 };
    let length = random.random_range(0..=longest.min(len - start));
    start..start + length
}

fn flip_bit(bytes: &mut [u8], random: &mut ChaCha8Rng) {
    if !bytes.is_empty() {
        let place = random.random_range(0..bytes.len());
        bytes[place] ^= 1 << random.random_range(0..8);
    }
}

fn insert(bytes: &mut Vec<u8>, what: &[u8], random: &mut ChaCha8Rng) {
    let place = random.random_range(0..=bytes.len());
    bytes.splice(place..place, what.iter().copied());
}

fn overwrite(bytes: &mut [u8], what: &[u8], random: &mut ChaCha8Rng) {
    if !bytes.is_empty() {
        let place = random.random_range(0..bytes.len());
        let what = &what[..what.len().min(bytes.len() - place)];
        bytes[place..place + what.len()].copy_from_slice(what);
    }
}

/// The lowest bytes of a number, of a random width and order.
fn in_some_order(number: u64, random: &mut ChaCha8Rng) -> ([u8; 8], usize) {
    let width = 1 << random.random_range(0..4);
    let mut bytes = number.to_le_bytes();
    if random.random() {
        bytes[..width].reverse();
    }
    (bytes, width)
}

fn interesting(bytes: &mut [u8], random: &mut ChaCha8Rng) {
    let number = INTERESTING[random.random_range(0..INTERESTING.len())];
    let (number, width) = in_some_order(number, random);
    overwrite(bytes, &number[..width], random);
}

/// Adds a small number to one that is there.
fn nudge(bytes: &mut [u8], random: &mut ChaCha8Rng) {
    let width = 1 << random.random_range(0..4);
    if bytes.len() < width {
        return;
    }
    let place = random.random_range(0..=bytes.len() - width);
    let big_endian = random.random();
    let field = &mut bytes[place..place + width];
    let mut number = [0; 8];
    number[..width].copy_from_slice(field);
    if big_endian {
        number[..width].reverse();
    }
    let by = random.random_range(1..=35_u64);
    let by = if random.random() {
        by
    } else {
        by.wrapping_neg()
    };
    let mut number = u64::from_le_bytes(number).wrapping_add(by).to_le_bytes();
    if big_endian {
        number[..width].reverse();
    }
    field.copy_from_slice(&number[..width]);
}

/// Replaces a decimal number by an interesting one.
fn number_in_text(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let digits: Vec<usize> = (0..bytes.len())
        .filter(|&place| bytes[place].is_ascii_digit())
        .collect();
    if digits.is_empty() {
        return;
    }
    let start = digits[random.random_range(0..digits.len())];
    let length = bytes[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let number = INTERESTING[random.random_range(0..INTERESTING.len())];
    bytes.splice(start..start + length, number.to_string().into_bytes());
}
