using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using Dma.Iommu;
using Dma.Iommu.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>A unit is what its capability registers say, whoever wrote them down.</summary>
public sealed class HardwareProfileTests
{
    [Fact]
    public void Any_registers_make_a_unit_or_are_refused_with_a_reason() => Property.Check(
        from version in Gen.Choose(0, 255)
        from capabilities in Generate.Any64
        from extended in Generate.Any64
        from width in Gen.Choose(32, 52)
        select (version, capabilities, extended, width),
        given =>
        {
            HardwareProfile profile;
            try
            {
                profile = HardwareProfile.From(
                    new(new((ulong)given.version)), new(new(given.capabilities)), new(new(given.extended)), given.width);
            }
            catch (ArgumentException refusal)
            {
                Assert.Contains($"cap {given.capabilities:x} ecap {given.extended:x}", refusal.Message, StringComparison.Ordinal);
                return;
            }

            using RemappingWorld world = new(profile, 1 << 20);
            Assert.Equal((ulong)given.version, world.Read(RegisterOffsets.Version));
            Assert.Equal(given.capabilities, world.Read(RegisterOffsets.Capability));
            Assert.Equal(given.extended, world.Read(RegisterOffsets.ExtendedCapability));
            for (int offset = 0; offset < world.Unit.WindowLength; offset += 4)
                world.Write(offset, ulong.MaxValue, 4);
            _ = world.Port.Write(new(0x1000), new byte[4]);
            Assert.Equal(given.capabilities, world.Read(RegisterOffsets.Capability));
        },
        500);

    // Found by seed 2020225023: IVA where other units have ECMD was taken for a command, whose answer had no register.
    [Fact]
    public void A_register_is_what_it_is_wherever_the_unit_puts_it()
    {
        HardwareProfile minimal = HardwareProfile.Named("minimal");
        for (int place = 0; place < 1024; place++)
        {
            HardwareProfile profile = minimal with { ExtendedCapabilities = minimal.ExtendedCapabilities with { IotlbRegisterOffset = place } };
            if (!TryBuild(profile, out RemappingWorld? world))
                continue;
            using RemappingWorld built = world;
            int address = RegisterOffsets.InvalidateAddress(profile.ExtendedCapabilities);
            ulong[] before = Registers(built);
            built.Write(address, ulong.MaxValue);
            Assert.Equal(before, Registers(built));
            built.Write(address + 8, new IotlbInvalidate { Invalidate = true, RequestedGranularity = IotlbGranularity.Global }.Raw.Value);
            IotlbInvalidate done = new(new(built.Read(address + 8)));
            Assert.Equal((false, IotlbGranularity.Global), (done.Invalidate, done.ActualGranularity));
        }
    }

    [Fact]
    public void Registers_that_would_lie_over_each_other_are_refused_by_name()
    {
        HardwareProfile friendly = HardwareProfile.Named("friendly");
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => HardwareProfile.From(
            friendly.Version, friendly.Capabilities, friendly.ExtendedCapabilities with { IotlbRegisterOffset = 0 }));
        Assert.Contains("IOTLB lies over CAP", refusal.Message, StringComparison.Ordinal);
        _ = Assert.Throws<ArgumentException>(() => HardwareProfile.From(
            friendly.Version, friendly.Capabilities with { DomainsCode = 7 }, friendly.ExtendedCapabilities));
        _ = Assert.Throws<ArgumentException>(() => HardwareProfile.From(
            friendly.Version, friendly.Capabilities, friendly.ExtendedCapabilities, 53));
    }

    [Fact]
    public void There_is_a_profile_for_each_unit_whose_registers_somebody_published()
    {
        using JsonDocument logs = JsonDocument.Parse(File.ReadAllText(SharedFiles.Require("corpora/cap_ecap_real.json")));
        List<HardwareProfile> named = [.. HardwareProfile.Names.Select(HardwareProfile.Named)];
        foreach (JsonElement log in logs.RootElement.EnumerateArray())
        {
            ulong Hex(string name) =>
                ulong.Parse(log.GetProperty(name).GetString()!.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            string[] version = log.GetProperty("ver").GetString()!.Split(':');
            VersionRegister expected = new() { Major = int.Parse(version[0], CultureInfo.InvariantCulture), Minor = int.Parse(version[1], CultureInfo.InvariantCulture) };
            CapabilityRegister capabilities = new(new(Hex("cap")));
            ExtendedCapabilityRegister extended = new(new(Hex("ecap")));

            // One line of a log was cut off after the first digit: with IRO 0 the IOTLB registers would lie over CAP.
            if (extended.Raw.Value == 0xF)
            {
                _ = Assert.Throws<ArgumentException>(() => HardwareProfile.From(expected, capabilities, extended));
                continue;
            }

            _ = Assert.Single(named, profile =>
                profile.Version == expected && profile.Capabilities == capabilities && profile.ExtendedCapabilities == extended);
        }
    }

    [Fact]
    public void The_name_of_a_profile_is_its_own() =>
        Assert.All(HardwareProfile.Names, name => Assert.Equal(name, HardwareProfile.Named(name).Name));

    [Fact]
    public void The_scalable_profiles_have_every_mode_of_translation()
    {
        foreach (string name in (string[])["friendly-scalable", "hostile-scalable"])
        {
            HardwareProfile profile = HardwareProfile.Named(name);
            ExtendedCapabilityRegister has = profile.ExtendedCapabilities;
            Assert.True(has.ScalableMode && has.FirstStage && has.SecondStage && has.Nested && has.PassThrough && has.AbortDma, name);
            Assert.True(has.ProcessAddressSpaces && has.PasidSizeCode == 19 && has.RidPasid && has.RidPrivilege, name);
            Assert.True(has.ExecuteRequests && has.SupervisorRequests && has.ExtendedAccessed && has.SecondStageAccessedDirty, name);
            Assert.True(has.ScalableWalkCoherency && profile.Capabilities.FirstStage1G && profile.Capabilities.FirstStage5Level, name);
            Assert.True(has.QueuedInvalidation, name);
        }
    }

    [Fact]
    public void Bits_that_no_current_revision_defines_are_reported_and_change_nothing()
    {
        // CAP 23; ECAP 5, 24, 27, 28: the unit reports them, and answers as the one that does not.
        HardwareProfile plain = HardwareProfile.Named("core-8th");
        HardwareProfile old = HardwareProfile.From(
            plain.Version,
            new(new(plain.Capabilities.Raw.Value | 1ul << 23)),
            new(new(plain.ExtendedCapabilities.Raw.Value | 0x1900_0020)),
            plain.HostAddressWidth);
        using RemappingWorld left = new(plain);
        using RemappingWorld right = new(old);
        for (int offset = 0x18; offset < left.Unit.WindowLength; offset += 4)
        {
            left.Write(offset, uint.MaxValue, 4);
            right.Write(offset, uint.MaxValue, 4);
        }

        for (int offset = 0x18; offset < left.Unit.WindowLength; offset += 4)
            Assert.Equal(left.Read(offset, 4), right.Read(offset, 4));
    }

    [Fact]
    public void A_unit_with_enhanced_commands_refuses_each_of_them()
    {
        using RemappingWorld world = new("core-ultra-monitored");
        for (int offset = 0x430; offset <= 0x448; offset += 8)
            Assert.Equal(0ul, world.Read(offset));
        world.Write(RegisterOffsets.EnhancedCommandOperand, 7);

        // The upper half holds an operand and starts nothing.
        world.Write(RegisterOffsets.EnhancedCommand + 4, 1, 4);
        Assert.Equal(0ul, world.Read(RegisterOffsets.EnhancedCommandResponse));
        world.Write(RegisterOffsets.EnhancedCommand, 0xF0);
        EnhancedCommandResponse response = new(new(world.Read(RegisterOffsets.EnhancedCommandResponse)));
        Assert.False(response.InProgress);
        Assert.NotEqual(0, response.Status);
    }

    private static bool TryBuild(HardwareProfile profile, [NotNullWhen(true)] out RemappingWorld? world)
    {
        try
        {
            world = new(profile, 1 << 20);
            return true;
        }
        catch (ArgumentException)
        {
            world = null;
            return false;
        }
    }

    private static ulong[] Registers(RemappingWorld world) =>
        [.. Enumerable.Range(0, world.Unit.WindowLength / 4).Select(index => world.Read(4 * index, 4))];
}
