//! 64 windows at once down a tree, with the byte permutations of AVX-512 VBMI.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi8, _mm512_cmpgt_epu8_mask, _mm512_loadu_si512, _mm512_mask_add_epi8,
    _mm512_permutex2var_epi8, _mm512_permutexvar_epi8, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_storeu_si512,
};
use std::array;

use super::layout::{BLOCK, Layout, N_LEAVES, REACH};

/// The number of each window in its block.
const WINDOWS: [u8; BLOCK] = {
    let mut windows = [0; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        windows[at] = at as u8;
        at += 1;
    }
    windows
};

/// The leaf of each window; `None` where the processor lacks the instructions.
#[expect(unsafe_code, reason = "the instructions are there where the function is called")]
pub(super) fn leaves(tree: &Layout, ranks: &[u8; REACH]) -> Option<[u8; BLOCK]> {
    let has_them = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi");
    // SAFETY: the processor has the three features.
    has_them.then(|| unsafe { walk(tree, ranks) })
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn walk(tree: &Layout, ranks: &[u8; REACH]) -> [u8; BLOCK] {
    let [low, high] = halves(ranks).map(|half| load(half));
    let windows = load(&WINDOWS);
    let one = _mm512_set1_epi8(1);
    let mut place = _mm512_setzero_si512();
    for depth in 0..tree.height {
        let [features, thresholds] = [&tree.features, &tree.ranks].map(|of_nodes| at_depth(of_nodes, depth, place));
        let values = _mm512_permutex2var_epi8(low, _mm512_add_epi8(windows, features), high);
        let goes_right = _mm512_cmpgt_epu8_mask(values, thresholds);
        let left = _mm512_add_epi8(place, place);
        place = _mm512_mask_add_epi8(left, goes_right, left, one);
    }
    store(place)
}

/// The bytes of nodes at a depth, by their places there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn at_depth(of_nodes: &[u8; N_LEAVES], depth: usize, place: __m512i) -> __m512i {
    let from = |first: usize| of_nodes[first..].first_chunk().expect("a depth ends before the last node");
    if depth < 7 {
        // Shallower than that, what stands after the nodes of the depth is loaded with them and never looked up.
        _mm512_permutexvar_epi8(place, load(from(1 << depth)))
    } else {
        _mm512_permutex2var_epi8(load(from(128)), place, load(from(192)))
    }
}

fn halves(bytes: &[u8; REACH]) -> [&[u8; BLOCK]; 2] {
    array::from_fn(|half| bytes[half * BLOCK..].first_chunk().expect("two blocks"))
}

#[inline]
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "a load takes a raw pointer")]
fn load(bytes: &[u8; BLOCK]) -> __m512i {
    // SAFETY: 64 bytes are there, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "a store takes a raw pointer")]
fn store(of_windows: __m512i) -> [u8; BLOCK] {
    let mut bytes = [0; BLOCK];
    // SAFETY: 64 bytes are there, and the store needs no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), of_windows) };
    bytes
}
