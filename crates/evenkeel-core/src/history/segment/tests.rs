use proptest::prelude::*;

use super::*;

fn block(start: i64, columns: &[(SeriesId, &[Option<i64>])]) -> Block {
    let steps = columns.first().map_or(0, |(_, values)| values.len());
    let columns = columns.iter().map(|(series, values)| (*series, values.to_vec())).collect();
    Block { start, steps, columns }
}

fn segment(blocks: &[Block]) -> Vec<u8> {
    let mut bytes = FIRST_LINE.to_vec();
    write_names(&mut bytes, 0, ["rate pool/app", "p99 pool/app", "cpu node"].into_iter());
    for block in blocks {
        write_block(&mut bytes, block, |series| series);
    }
    bytes
}

fn blocks(bytes: &[u8]) -> Vec<Block> {
    let views = frames(bytes).filter_map(|(frame, _)| match frame {
        Frame::Block(view) => Some(view),
        Frame::Names(..) => None,
    });
    let read = |view: BlockView<'_>| Block {
        start: view.start,
        steps: view.steps,
        columns: view.columns(Some).collect(),
    };
    views.map(read).collect()
}

#[test]
fn the_checksum_is_the_one_of_the_standard() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn names_and_blocks_come_back() {
    let written = [
        block(1_000, &[(0, &[Some(1), None, Some(3)]), (2, &[Some(7); 3])]),
        block(1_003, &[(1, &[Some(-4), Some(5), None])]),
    ];
    let bytes = segment(&written);
    let Some((Frame::Names(0, names), _)) = frames(&bytes).next() else { panic!("no names") };
    assert_eq!(names, ["rate pool/app", "p99 pool/app", "cpu node"]);
    assert_eq!(blocks(&bytes), written);
    assert_eq!(frames(&bytes).last().unwrap().1, bytes.len());
    let Some((Frame::Block(view), _)) = frames(&bytes).nth(1) else { panic!("no block") };
    let only = view.columns(|number| (number == 2).then_some(40)).collect::<Vec<_>>();
    assert_eq!(only, [(40, vec![Some(7); 3])], "the others are not read");
}

#[test]
fn a_torn_end_is_cut_wherever_it_is_torn() {
    let written = [block(10, &[(0, &[Some(1), Some(2)])]), block(12, &[(0, &[Some(3), None])])];
    let bytes = segment(&written);
    let ends: Vec<usize> = frames(&bytes).map(|(_, end)| end).collect();
    for torn in 0..bytes.len() {
        let whole = frames(&bytes[..torn]).count();
        assert_eq!(whole, ends.iter().filter(|end| **end <= torn).count(), "at {torn}");
    }
}

#[test]
fn a_flipped_bit_ends_the_segment_before_it() {
    let written = [block(10, &[(0, &[Some(1), Some(2)])]), block(12, &[(0, &[Some(3), None])])];
    let bytes = segment(&written);
    let ends: Vec<usize> = frames(&bytes).map(|(_, end)| end).collect();
    for bit in 0..bytes.len() * 8 {
        let mut spoilt = bytes.clone();
        spoilt[bit / 8] ^= 1 << (bit % 8);
        let whole = frames(&spoilt).count();
        let before = if bit / 8 < FIRST_LINE.len() {
            0
        } else {
            ends.iter().filter(|end| **end <= bit / 8).count()
        };
        assert_eq!(whole, before, "bit {bit}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_frames_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut segment = FIRST_LINE.to_vec();
        segment.extend_from_slice(&bytes);
        blocks(&segment);
        // As if the checksum were right.
        let mut framed = FIRST_LINE.to_vec();
        frame(&mut framed, |out| out.extend_from_slice(&bytes));
        blocks(&framed);
    }

    #[test]
    fn blocks_there_and_back(
        start in 0_i64..4_000_000_000,
        rows in prop::collection::vec(prop::collection::vec(any::<Option<i32>>(), 3), 1..30),
    ) {
        let columns = (0..3_usize).map(|column| {
            let values = rows.iter().map(|row| row[column].map(i64::from)).collect();
            (SeriesId::try_from(column).unwrap(), values)
        });
        let written = Block { start, steps: rows.len(), columns: columns.collect() };
        prop_assert_eq!(blocks(&segment(std::slice::from_ref(&written))), [written]);
    }
}
