namespace Dma.Iommu;

/// <summary>Profiles with the registers of units that exist, as kernels printed them in public logs.</summary>
/// <remarks>
/// A machine of the Core family has a unit for its graphics device alone and one for the rest; they are named
/// after the generation. Logs tell VER, CAP and ECAP. What they do not tell is as in the friendly profile, and
/// the host address width is that of the family. Bits that no current revision defines (CAP 23; ECAP 5, 24, 27
/// and 28, which belonged to the extended mode of revision 2) are reported and have no effect; nor has what needs
/// scalable mode on a unit without it: NEST, PRS, PSS and PASID of those parts were about extended mode too.
/// </remarks>
internal static class RealUnits
{
    /// <summary>The profiles, each family from the oldest on.</summary>
    public static IReadOnlyList<HardwareProfile> All { get; } =
    [
        Unit("core-2nd-graphics", 1, 0x00C0_0000_20E6_0262, 0xF0_101A, 36),
        Unit("core-2nd", 1, 0x00C9_0080_2066_0262, 0xF0_105A, 36),
        Unit("core-5th-graphics", 1, 0x01C0_000C_4066_0462, 0x7E_1FF0_505E, 39),
        Unit("core-5th", 1, 0x00D2_008C_2066_0462, 0xF0_10DA, 39),
        Unit("core-6th-graphics", 1, 0x01C0_000C_4066_0462, 0x7E_3FF0_505E, 39),
        Unit("core-6th-graphics-no-pass-through", 1, 0x01C0_000C_4066_0462, 0x7E_3FF0_501E, 39),
        Unit("core-8th-graphics", 1, 0x01C0_000C_4066_0462, 0x19E_2FF0_505E, 39),
        Unit("core-8th", 1, 0x00D2_008C_4066_0462, 0xF0_50DA, 39),
        Unit("core-10th-graphics-no-interrupts", 1, 0x01C0_000C_4066_0462, 0x2FF0_5056, 39),
        Unit("core-10th-no-interrupts", 1, 0x00D2_008C_4066_0462, 0xF0_50D2, 39),
        Unit("core-10th-graphics", 4, 0x01C0_000C_4066_0462, 0x49E_2FF0_505E, 39),
        Unit("core-11th-graphics", 4, 0x01C0_000C_4066_0462, 0x69E_2FF0_505E, 39),
        Unit("core-12th-graphics", 4, 0x01C0_000C_4066_0462, 0x29A_00F0_505E, 39),
        Unit("core-12th", 5, 0x00D2_008C_4066_0462, 0xF0_50DA, 39),
        Unit("core-ultra-graphics", 7, 0xC9DE_008C_EE69_0462, 0x12_CA9A_00F0_EF5E, 42),
        Unit("core-ultra", 7, 0xC9DE_008C_EE69_0462, 0x12_CA9A_00F0_EFDE, 42),
        Unit("core-ultra-monitored-graphics", 7, 0xE9DE_008C_EE69_0462, 0x1A_CA9A_00F0_EF5E, 42),
        Unit("core-ultra-monitored", 7, 0xE9DE_008C_EE69_0462, 0x1A_CA9A_00F0_EFDE, 42),
        Unit("xeon-e5-v2", 1, 0x00D2_078C_106F_0462, 0xF0_20FE, 46),
        Unit("xeon-e5-v3", 1, 0x00D2_078C_106F_0466, 0xF0_20DE, 46),
        Unit("xeon-scalable", 1, 0x08D2_078C_106F_0466, 0xF0_20DF, 46),

        // Not silicon, but in the logs of guests: the unit of QEMU 11 with caching mode.
        Unit("qemu-caching", 1, 0x80D2_008C_222F_06C6, 0xF0_0F1A, 48),
    ];

    private static HardwareProfile Unit(string name, int version, ulong capabilities, ulong extended, int hostAddressWidth) =>
        HardwareProfile.From(
            new() { Major = version }, new(new(capabilities)), new(new(extended)), hostAddressWidth) with
        { Name = name };
}
