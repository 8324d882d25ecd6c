//! Files that claim more than they hold, byte by byte.

/// Returns the header of a NumPy array.
pub fn array(kind: &str, shape: &str) -> Vec<u8> {
    let text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.into_bytes());
    bytes
}

/// Returns a safetensors file with this header.
pub fn safetensors(header: &str) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

/// Returns an uncompressed ZIP archive of these names and contents.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in files {
        let (size, start) = (content.len() as u32, bytes.len() as u32);
        let mut facts = vec![0, 0, 0, 0, 0, 0, 0, 0];
        facts.extend(crc32(content).to_le_bytes());
        facts.extend([size, size].map(u32::to_le_bytes).concat());
        facts.extend([name.len() as u16, 0].map(u16::to_le_bytes).concat());
        bytes.extend(b"PK\x03\x04\x14\x00");
        bytes.extend(&facts);
        bytes.extend(name.as_bytes());
        bytes.extend(*content);
        directory.extend(b"PK\x01\x02\x14\x00\x14\x00");
        directory.extend(&facts);
        directory.extend([0; 10]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (size, start) = (directory.len() as u32, bytes.len() as u32);
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00");
    let count = files.len() as u16;
    bytes.extend([count, count].map(u16::to_le_bytes).concat());
    bytes.extend([size, start].map(u32::to_le_bytes).concat());
    bytes.extend([0, 0]);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    })
}

/// Returns a pickle of a state dict with one tensor of this shape.
pub fn state_dict(shape: [i32; 2]) -> Vec<u8> {
    let text = |text: &str| {
        [
            b"X".as_slice(),
            &(text.len() as u32).to_le_bytes(),
            text.as_bytes(),
        ]
        .concat()
    };
    let int = |number: i32| [b"J".as_slice(), &number.to_le_bytes()].concat();
    let mut bytes = b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec();
    bytes.extend(text("net.net.0.0.weight"));
    bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    bytes.extend(
        [
            text("storage"),
            b"ctorch\nFloatStorage\n".to_vec(),
            text("0"),
            text("cpu"),
        ]
        .concat(),
    );
    bytes.extend(b"K\x10tQK\x00(");
    bytes.extend(shape.map(int).concat());
    bytes.extend(b"t(");
    bytes.extend([int(shape[1]), int(1)].concat());
    bytes.extend(b"t\x89ccollections\nOrderedDict\n)RtRu.");
    bytes
}

/// Returns a MATLAB file with a compressed variable of 1200 MiB of zeros.
pub fn compressed_zeros() -> Vec<u8> {
    let mut bytes = b"MATLAB 5.0".to_vec();
    bytes.resize(124, b' ');
    bytes.extend(b"\x00\x01IM");
    // A deflate stream of fixed codes: a zero, and then copies of 258 bytes at distance 1, of 13 bits each.
    let mut bits = BitWriter::default();
    bits.put(1, 1);
    bits.put(1, 2);
    bits.put_code(0b0011_0000, 8);
    for _ in 0..(1_200_u64 << 20) / 258 {
        // Length 258 is code 285, of eight bits: 1100_0101; distance 1 is five zero bits.
        bits.put_code(0b1100_0101, 8);
        bits.put_code(0, 5);
    }
    let stream = [b"\x78\x01".as_slice(), &bits.bytes].concat();
    bytes.extend(15_u32.to_le_bytes());
    bytes.extend((stream.len() as u32).to_le_bytes());
    bytes.extend(stream);
    bytes
}

#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    /// Appends the lowest bits of a number, the lowest one first.
    fn put(&mut self, number: u32, count: u32) {
        for index in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.len() - 1;
            self.bytes[last] |= ((number >> index & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }

    /// Appends a Huffman code, whose highest bit comes first.
    fn put_code(&mut self, code: u32, count: u32) {
        for index in (0..count).rev() {
            self.put(code >> index & 1, 1);
        }
    }
}
