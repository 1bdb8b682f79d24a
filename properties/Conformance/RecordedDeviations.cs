namespace Dma.Properties;

/// <summary>Where a unit of ours, following the manual, answers a recorded script differently, and why; see docs/deviations.md.</summary>
internal static class RecordedDeviations
{
    private const string QueueError = "the error record exists, and the queue goes on when the error is cleared";

    /// <summary>For each case that differs: the reason, and exactly the answers that differ.</summary>
    public static IReadOnlyDictionary<string, (string Reason, string[] Differences)> All { get; } = new Dictionary<string, (string, string[])>
    {
        ["caps/write_masks"] = (
            "TTM exists where there is a mode to choose; the queue address is kept while the queue is off; event data have 16 bits",
            [
                "1: RTADDR FFFFFFFFFFFFF000 not FFFFFFFFFFFFFC00",
                "5: IQA FFFFFFFFFFFFF807 not 807",
                "25: IEDATA FFFF not FFFFFFFF",
            ]),
        ["caps/halves"] = ("the queue address is kept while the queue is off", ["7: 0x90 180000 not 0"]),
        ["xlat/pt_type_aw3"] = (
            "pass-through asks for the largest width",
            [
                "8: status blocked not ok",
                "8: FSTS 2 not 0",
                "8: FRCD_HI 8000000000000000 not 0",
                "8: data 00000000000000000000000000000000 not c13dc7e791ef5547abc109c91b63e5ef",
            ]),
        ["fault/rsvd_large"] = ("the page is memory that holds zeros, which the recorder could not tell from nothing", ["53: status ok not dropped"]),
        ["fault/fpd_ctx_rsvd"] = (
            "a reserved bit of a context entry is qualified by its FPD",
            ["16: FSTS 0 not 2", "16: FRCD_HI 0 not C000000B00000020", "21: FSTS 0 not 2", "21: FRCD_HI 0 not 8000000B00000020"]),
        ["cache/perm_upgrade_stale"] = (
            "a cached translation that lacks the right refuses with a fault",
            [
                "20: status blocked not dropped",
                "20: FSTS 2 not 0",
                "20: FRCD_HI 8000000000000000 not 0",
                "26: status blocked not dropped",
                "26: FSTS 2 not 0",
                "26: FRCD_HI 8000000000000000 not 0",
            ]),
        ["cache/ctx_stale_then_device"] = (
            "translations are tagged with the domain: those of the old one are no longer found",
            ["41: data 0df36d13a5877b45735b4d810963a99d not 75fb69dfe1194d4fa7a17dcf93e15f87"]),
        ["cache/srtp_flush"] = (
            "switching translation off and on forgets nothing",
            ["29: data 0df36d13a5877b45735b4d810963a99d not a7eb714767f3ab3941171d337de5f5b1"]),
        ["cache/reg_ccmd_reserved"] = ("the fields of a command stay readable", ["22: CCMD 200001 not 1"]),
        ["cache/reg_ccmd_domain"] = (
            "the fields of a command stay readable; a domain is done as a domain",
            ["22: CCMD 5000000000200001 not 4800000000000001"]),
        ["cache/reg_ccmd_device"] = ("the fields of a command stay readable", ["22: CCMD 7800000000200001 not 7800000000000001"]),
        ["ir/compat_with_ire"] = (
            "a request in compatibility format passes only where CFI allows it, and CFIS tells",
            [
                "9: status blocked not ok",
                "9: FSTS 2 not 0",
                "9: FRCD_HI 8000000000000000 not 0",
                "9: interrupts  not 0/0 0 65 0",
                "15: GSTS 7800000 not 7000000",
            ]),
        ["ir/sid_bus_and_rsvd"] = (
            "the first bus of a range is in the high byte of SID; a reserved SVT makes the entry invalid",
            [
                "26: status blocked not ok",
                "26: FSTS 2 not 0",
                "26: FRCD_HI 8000000000000000 not 0",
                "26: interrupts  not 0/0 0 104 0",
                "48: FRCD_HI 8000002400000020 not 8000002600000020",
            ]),
        ["ir/dma_write_to_fee"] = (
            "each request carries its requester; a quadword is no interrupt, and is not taken apart; a request that is blocked is blocked",
            [
                "11: status blocked not ok",
                "11: FRCD_HI 8000002000000020 not 800000200000FFFF",
                "16: status blocked not ok",
                "16: FSTS 0 not 2",
                "16: FRCD_HI 2000000020 not 800000210000FFFF",
                "16: interrupts  not 0/0 0 115 0",
                "21: status blocked not dropped",
            ]),
        ["ir/eim"] = ("an x2APIC destination has 32 bits, of which the recorder saw eight", ["13: interrupts 256/0 0 118 0 not 0/0 0 118 0"]),
        ["qi/unbacked_queue"] = ("the error record exists", ["7: IQERCD 2 not 0"]),
        ["qi/bad_type8"] = Bad(3),
        ["qi/bad_type9"] = Bad(3),
        ["qi/bad_cc_g0"] = Bad(4),
        ["qi/bad_cc_rsvd"] = Bad(4),
        ["qi/bad_iotlb_rsvd_hi"] = Bad(4),
        ["qi/bad_iotlb_lo32"] = Bad(4),
        ["qi/bad_iotlb_am"] = Bad(4),
        ["qi/bad_wait_rsvd"] = Bad(4),
        ["qi/bad_wait_rsvd_hi"] = Bad(4),
        ["qi/bad_devtlb_rsvd"] = Bad(3),
        ["qi/bad_piotlb_legacy"] = Bad(3),
    };

    private static (string, string[]) Bad(int code) => (QueueError, [$"13: IQERCD {code} not 0", "23: IQH 30 not 10"]);
}
