//! Status codes of datapoints: OPC UA's, and how the older OPC DA says the same.

/// The OPC UA status code of an OPC DA quality (its low byte: two bits of quality, four of detail, two of limits). The
/// vendor's byte and the limits have no counterpart here and are left out.
pub fn of_opc_da(quality: u32) -> u32 {
    match quality & 0xfc {
        0x04 => 0x8089_0000,        // configuration error
        0x08 => 0x808A_0000,        // not connected
        0x0c => 0x808B_0000,        // device failure
        0x10 => 0x808C_0000,        // sensor failure
        0x14 => 0x8031_0000,        // last known value: no communication
        0x18 => 0x8005_0000,        // communication failure
        0x1c => 0x808D_0000,        // out of service
        0x20 => 0x8032_0000,        // waiting for initial data
        0x44 => 0x4090_0000,        // last usable value
        0x50 => 0x4093_0000,        // sensor not accurate
        0x54 => 0x4094_0000,        // engineering units exceeded
        0x58 => 0x4095_0000,        // sub-normal
        0xd8 => 0x0096_0000,        // local override
        q if q & 0xc0 == 0xc0 => 0, // good
        q if q & 0xc0 == 0x40 => 0x4000_0000,
        // Bad, and the combination OPC DA leaves open.
        _ => 0x8000_0000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_is_kept_for_every_quality() {
        for q in 0..=0xffff_u32 {
            let class = match q >> 6 & 3 {
                3 => 0,
                1 => 1,
                _ => 2,
            };
            assert_eq!(of_opc_da(q) >> 30, class, "{q:#x}");
        }
        assert_eq!((of_opc_da(0xc0), of_opc_da(0x18), of_opc_da(0x1019)), (0, 0x8005_0000, 0x8005_0000));
    }
}
