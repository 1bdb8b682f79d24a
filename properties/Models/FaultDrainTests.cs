using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class FaultDrainTests
{
    public static TheoryData<string> Profiles() => [.. ProfileChoice.Names];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void Faults_are_read_in_their_order_and_those_without_a_record_are_known_to_be_lost(string profile) =>
        Property.Check(
            Gen.Choose(0, 12).ToPrograms(), program => Run(HardwareProfile.Named(profile), program), 15);

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_fault_wakes_who_waits_for_one(string profile)
    {
        using BareMetal machine = new(HardwareProfile.Named(profile));
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await Start(machine);

            // One that came before anyone waited counts too.
            machine.Unit!.Open(new(1, 2, 3)).Write(new(0x7123), new byte[4]);
            Assert.True(await driver.WaitForFault(1000));
            Assert.Single(driver.DrainFaults());
            Assert.False(await driver.WaitForFault(1000));
            for (int round = 0; round < 3; round++)
            {
                ValueTask<bool> wait = driver.WaitForFault(1_000_000);
                machine.Loop.Schedule(500, () => machine.Unit!.Open(new(1, 2, 3)).Write(new(0x7123), new byte[4]));
                Assert.True(await wait);
                FaultReport report = Assert.Single(driver.DrainFaults());
                Assert.Equal(new(new(1, 2, 3), FaultReason.RootNotPresent, new(0x7000), Write: true, report.Record), report);
                Assert.True(report.Record.Fault);
            }

            await driver.Shutdown();
            Assert.Equal(DmaStatus.Success, machine.Unit!.Open(new(1, 2, 3)).Write(new(0x7123), new byte[4]));
            Assert.False(await driver.WaitForFault(1000));
        });
    }

    // Each number is so many faults, each of another requester so that none is collapsed, and then a drain.
    private static void Run(HardwareProfile profile, int[] program)
    {
        using BareMetal machine = new(profile);
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await Start(machine);
            int records = driver.Capabilities.FaultRecordsCode + 1;
            ushort next = 1;
            ulong overflows = 0;
            foreach (int count in program)
            {
                List<(SourceId, Iova, bool)> expected = [];
                for (int fault = 0; fault < count; fault++, next++)
                {
                    bool isWrite = next % 3 == 0;
                    RemappedPort port = machine.Unit!.Open(new(next));
                    Assert.Equal(DmaStatus.Blocked, isWrite ? port.Write(new((ulong)next << 12), new byte[4]) : port.Read(new((ulong)next << 12), new byte[4]));
                    if (expected.Count < records)
                        expected.Add((new(next), new((ulong)next << 12), isWrite));
                }

                overflows += count > records ? 1ul : 0;
                Assert.Equal(expected, driver.DrainFaults().Select(report => (report.Source, report.Address, report.Write)));
                Assert.Equal(overflows, driver.FaultOverflows);
                Assert.Empty(driver.DrainFaults());
            }
        });
    }

    private static Task<RemappingDriver> Start(BareMetal machine) => RemappingDriver.Start(
        machine.Cpu, new(BareMetal.UnitAddress), machine.Frames,
        new(FaultVector: 48) { HostAddressWidth = machine.Unit!.Profile.HostAddressWidth, WindowLength = (ulong)machine.Unit.WindowLength }).AsTask();
}
