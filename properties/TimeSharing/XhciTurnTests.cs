using System.Runtime.CompilerServices;
using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What is different where guests have an xHCI controller in turns: its registers, the state that it saves by itself, SuperSpeed.</summary>
public sealed class XhciTurnTests
{
    private const ulong PatienceNs = 600_000_000_000;
    private const ulong MillisecondNs = 1_000_000;
    private const ulong MicroframeNs = 125_000;
    private const ulong RegionStart = DmaMappings.WindowStart + DmaMappings.WindowLength;
    private const int Operational = 0x40;
    private const int Runtime = 0x1000;

    [Fact]
    public void Registers_are_what_the_guest_wrote_with_a_turn_and_without_and_the_frame_index_goes_on_with_time() => Property.Check(
        (from seeds in Gen.ArrayOf(Gen.Choose(0, int.MaxValue), 2) from runs in Gen.ArrayOf(Gen.Elements(true, true, false), 2) select (seeds, runs)).ToArbitrary(),
        choice =>
        {
            using TimeSharedComputer machine = new(2, TurnController.Xhci);
            machine.Host.Loop.Run(
                async () =>
                {
                    await machine.Start(new() { QuantumNs = 2 * MillisecondNs, IsWorkConserving = false });
                    await Task.WhenAll(Enumerable.Range(0, 2).Select(async number => await KeepRegisters(machine, number, choice.seeds[number], choice.runs[number])));
                    machine.Sharing.EndSpan();
                },
                PatienceNs);
            Assert.Equal(0ul, machine.Host.Faults.Total);
            Assert.All(Enumerable.Range(0, 2), number => Assert.Equal(choice.runs[number], machine.Ledger.TurnsOf(machine.Guests[number]) != 0));
        },
        count: 30);

    [Fact]
    public void The_state_of_a_controller_with_all_interrupters_fits_into_its_frame() =>
        Assert.InRange(Unsafe.SizeOf<XhciState>(), XhciState.FrontSize + (XhciState.InterruptersMax * XhciState.Interrupter.Size), 4096);

    [Fact]
    public void What_a_guest_wrote_into_read_only_registers_or_messages_of_the_host_is_not_there_with_a_turn_or_without()
    {
        using TimeSharedComputer machine = new(2, TurnController.Xhci);
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                for (int number = 0; number < 2; number++)
                {
                    PciDevice device = await machine.Open(number);
                    device.Configuration.Write(PciOffset.Command, 2, 6);
                    IRegisterWindow registers = device.OpenBar(0);
                    registers.Write32(Operational, new XhciCommand { Run = number == 0 }.Raw.Value);
                    registers.Write32(0x2000, 0);
                    await machine.Host.Loop.Delay(MillisecondNs);
                    Assert.Equal(number == 0 ? machine.Guests[0] : machine.Sharing.Owner, machine.Sharing.Owner);
                    foreach (int offset in (int[])[0, 4, 8, 0x10, 0x800, 0x810, 0x818, 0x3000, 0x3008, 0x3800])
                    {
                        ulong shown = registers.Read32(offset);
                        Assert.Equal(offset >= 0x3000 ? 0 : machine.Controller.ReadBar(0, (ulong)offset, 4), shown);
                        registers.Write32(offset, offset == 0x800 ? 0 : uint.MaxValue);
                        Assert.Equal(shown, registers.Read32(offset));
                    }

                    // Ports of others look as those with nothing plugged in.
                    for (int port = 0; port < machine.Ports.Count; port++)
                    {
                        if (!machine.PortsOf(number).Contains(port + 1))
                            Assert.Equal(0x2A0u, registers.Read32(Operational + XhciOperationalOffsets.FirstPort + (port * XhciOperationalOffsets.PortStride)));
                    }
                }
            },
            PatienceNs);
    }

    [Fact]
    public void A_guest_that_lets_its_controller_write_where_its_state_is_saved_spoils_nothing_and_where_that_is_listed_it_fails_alone()
    {
        using TimeSharedComputer machine = new(2, TurnController.Xhci);
        SteppingGuest other = new(machine.Host, machine.Guests[1], machine.Ports[1], 0x20);
        List<TransferStatus> found = [];
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = 2 * MillisecondNs, IsWorkConserving = false });
                Task lives = other.Run(await machine.Open(1), UsbHostControllers.Start, [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Read, 40), 40)]);
                machine.Ports[0].Plug(new CountingDevice(0x10));
                XhciDriver driver = await XhciDriver.Start(await machine.Open(0));
                UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(driver, 1);
                IUsbPipe pipe = await device.Open(device.Configuration.Interfaces[0].Endpoints[0]);
                for (int round = 0; round < 30; round++)
                {
                    DmaMapping saved = new(new(RegionStart + 4096 + ((ulong)(round % 4) * 4096)), 512, DmaDirection.FromDevice);
                    found.Add((await pipe.Transfer(saved, 50 * MillisecondNs)).Status);
                    await driver.Processor.Delay(MillisecondNs);
                }

                Assert.Equal(0ul, machine.Host.Faults.Total);
                found.Add((await pipe.Transfer(new(new(RegionStart), 512, DmaDirection.FromDevice), 50 * MillisecondNs)).Status);
                await lives;
            },
            PatienceNs);
        Assert.Equal([.. Enumerable.Repeat(TransferStatus.Completed, 30)], found.Take(30));
        Assert.NotEqual(0ul, machine.Host.Faults.Total);
        Assert.Equal(40, other.Transcript.Count(static line => line.Contains("Completed", StringComparison.Ordinal)));
        Assert.False(machine.Sharing.IsLost);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_guest_that_suspends_its_controller_finds_its_devices_again_whether_it_has_a_turn_then_or_not(bool isWorkConserving)
    {
        using TimeSharedComputer machine = new(2, TurnController.Xhci);
        SteppingGuest[] guests = [.. Enumerable.Range(0, 2).Select(number => new SteppingGuest(machine.Host, machine.Guests[number], machine.Ports[number], (byte)(0x10 * (number + 1))))];
        int withTurn = 0;
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = 2 * MillisecondNs, IsWorkConserving = isWorkConserving });
                PciDevice device = await machine.Open(0);
                IRegisterWindow registers = device.OpenBar(0);
                await guests[0].Run(device, UsbHostControllers.Start, []);
                Task other = guests[1].Run(await machine.Open(1), UsbHostControllers.Start, [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Read, 400), 20)]);
                for (int round = 0; round < 40; round++)
                {
                    withTurn += machine.Sharing.Owner == machine.Guests[0] ? 1 : 0;
                    uint running = registers.Read32(Operational);
                    foreach (XhciCommand command in (XhciCommand[])[default, new() { SaveState = true }, new() { RestoreState = true }])
                    {
                        registers.Write32(Operational, command.Raw.Value);
                        XhciStatus status;
                        do
                        {
                            await device.Processor.Delay(100_000);
                            status = new(new(registers.Read32(Operational + XhciOperationalOffsets.Status)));
                        }
                        while (status.Saving || status.Restoring || !status.Halted);
                        Assert.False(status.SaveRestoreError || status.HostSystemError, $"{round}: {status}");
                    }

                    registers.Write32(Operational, running);
                    await guests[0].Follow([new(DeviceUse.Ask, 0), new(DeviceUse.Read, 3)]);
                    await device.Processor.Delay((ulong)(round * 70_000));
                }

                await other;
            },
            PatienceNs);
        Assert.Equal(80, guests[0].Transcript.Count(static line => line.Contains("Completed", StringComparison.Ordinal)));
        Assert.Equal(20, guests[1].Transcript.Count(static line => line.Contains("Completed", StringComparison.Ordinal)));
        Assert.Equal((0ul, 0ul), (machine.Host.Faults.Total, machine.Watch.Strays));
        Assert.True(isWorkConserving || withTurn is > 0 and < 40, $"{withTurn} with a turn");
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 1)]
    public void A_guest_is_told_of_each_wrap_of_its_microframe_index_once_though_it_was_away(bool isWorkConserving, int offset)
    {
        const ulong QuantumNs = 40 * MillisecondNs;
        const ulong WrapNs = 0x4000 * MicroframeNs;
        const int Wraps = 3;
        using TimeSharedComputer machine = new(2, TurnController.Xhci);
        machine.Watch.NowNs = () => machine.Host.Loop.NowNs;
        List<bool> hadTurn = [];
        int told = 0;
        ulong firstNs = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = QuantumNs, IsWorkConserving = isWorkConserving });
                PciDevice device = await machine.Open(0);
                IRegisterWindow registers = device.OpenBar(0);
                _ = await UsbHostControllers.Start(device);
                XhciCommand command = new(new(registers.Read32(Operational)));
                registers.Write32(Operational, (command with { WrapEventEnable = true }).Raw.Value);
                SteppingGuest other = new(machine.Host, machine.Guests[1], machine.Ports[1], 0x20);
                await machine.Host.Loop.Delay((ulong)offset * 17 * MillisecondNs);
                await other.Run(await machine.Open(1), UsbHostControllers.Start, []);
                ulong wrapNs = machine.Host.Loop.NowNs + (WrapNs - (registers.Read32(Runtime) * MicroframeNs));
                Task busy = other.Follow([.. Enumerable.Repeat(new DeviceStep(DeviceUse.Cancel, 500_000), 14)]);
                for (int wrap = 0; wrap < Wraps; wrap++)
                {
                    await machine.Host.Loop.Delay(wrapNs + ((ulong)wrap * WrapNs) - machine.Host.Loop.NowNs);
                    hadTurn.Add(machine.Sharing.Owner == machine.Guests[0]);

                    // A guest looks, and looking counts nothing twice.
                    for (int look = 0; look < 40; look++)
                    {
                        Assert.InRange(registers.Read32(Runtime), 0u, 0x1000u);
                        await device.Processor.Delay(3 * MillisecondNs);
                    }
                }

                told = machine.Watch.WrapsNs.Count;
                await busy;
                return wrapNs;
            },
            PatienceNs);
        Assert.Contains(false, hadTurn);
        Assert.Equal(Wraps, told);
        for (int wrap = 0; wrap < Wraps; wrap++)
        {
            // What is read of the index may be one microframe old.
            long lateNs = (long)(machine.Watch.WrapsNs[wrap] - firstNs) - (wrap * (long)WrapNs);
            Assert.InRange(lateNs, -(long)MicroframeNs, (long)(hadTurn[wrap] ? MillisecondNs : (2 * QuantumNs) + (2 * MillisecondNs)));
        }

        Assert.Equal((0ul, 0ul), (machine.Host.Faults.Total, machine.Watch.Strays));
    }

    [Theory]
    [InlineData(2_000_000ul, true)]
    [InlineData(3_300_000ul, false)]
    public void Guests_with_SuperSpeed_disks_read_them_byte_for_byte(ulong quantumNs, bool isWorkConserving)
    {
        using TimeSharedComputer machine = new(3, TurnController.Xhci);
        byte[][] contents = [.. Enumerable.Range(0, 3).Select(static number => DiskReader.Content(sectors: 2000 + number))];
        for (int number = 0; number < 3; number++)
            machine.Ports[3 + number].Plug(new MassStorageDevice(new MemoryDiskImage(contents[number]), speed: UsbSpeed.Super));
        byte[][] found = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = quantumNs, IsWorkConserving = isWorkConserving });
                return await Task.WhenAll(Enumerable.Range(0, 3).Select(async number => await DiskReader.ReadAll(await machine.Open(number), number + 4)));
            },
            PatienceNs);
        Assert.Equal(contents, found);
        Assert.Equal((0ul, 0ul), (machine.Host.Faults.Total, machine.Watch.Strays));
        Assert.True(machine.Ledger.Turns > 10);
    }

    private static async Task KeepRegisters(TimeSharedComputer machine, int number, int seed, bool runs)
    {
        Random random = new(seed);
        PciDevice device = await machine.Open(number);
        device.Configuration.Write(PciOffset.Command, 2, 6);
        IRegisterWindow registers = device.OpenBar(0);
        await device.Processor.Delay((ulong)random.Next(1, 3_000_000));

        // Where memory would be used at once, there is none: no ring has a table, and no doorbell rings.
        List<int> plain = [Operational + XhciOperationalOffsets.NotificationControl, Operational + XhciOperationalOffsets.ContextArray, Operational + XhciOperationalOffsets.ContextArray + 4, Operational + XhciOperationalOffsets.Configure];
        for (int interrupter = 0; interrupter < 4; interrupter++)
        {
            int at = Runtime + XhciRuntimeOffsets.FirstInterrupter + (interrupter * XhciRuntimeOffsets.InterrupterStride);
            plain.AddRange([at + XhciRuntimeOffsets.Management, at + XhciRuntimeOffsets.TableSize, at + XhciRuntimeOffsets.Dequeue, at + XhciRuntimeOffsets.Dequeue + 4]);
        }

        foreach (int port in machine.PortsOf(number))
            plain.Add(Operational + XhciOperationalOffsets.FirstPort + ((port - 1) * XhciOperationalOffsets.PortStride) + XhciOperationalOffsets.PortPower);
        foreach (int offset in plain)
            registers.Write32(offset, (uint)random.NextInt64(1L << 32) & ~(offset == plain[^2] ? 0xF000_0000u : 0));
        int moderation = Runtime + XhciRuntimeOffsets.FirstInterrupter + XhciRuntimeOffsets.Moderation;
        ushort interval = (ushort)random.Next(1 << 16);
        registers.Write32(moderation, interval);
        XhciCommand command = new() { Run = runs, SystemErrorEnable = random.Next(2) == 0, InterruptEnable = random.Next(2) == 0 };
        registers.Write32(Operational, command.Raw.Value);
        ulong startNs = machine.Host.Loop.NowNs;
        uint first = registers.Read32(Runtime);
        uint[] written = [.. plain.Select(registers.Read32)];
        for (int look = 0; look < 12; look++)
        {
            await device.Processor.Delay((ulong)random.Next(1, 4_000_000));
            Assert.Equal(written, plain.Select(registers.Read32));
            Assert.Equal(command.Raw.Value, registers.Read32(Operational));
            Assert.Equal(interval, (ushort)registers.Read32(moderation));
            Assert.Equal(!runs, new XhciStatus(new(registers.Read32(Operational + XhciOperationalOffsets.Status))).Halted);
            ulong passed = runs ? (machine.Host.Loop.NowNs - startNs) / MicroframeNs : 0;
            Assert.InRange((uint)(first + passed - registers.Read32(Runtime)) & 0x3FFF, 0u, runs ? 1u : 0);
        }
    }
}
