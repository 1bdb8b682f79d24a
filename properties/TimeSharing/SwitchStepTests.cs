using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Each step of a switch is there for something: a switch without it is found out.</summary>
public sealed class SwitchStepTests
{
    private const ulong PatienceNs = 600_000_000_000;
    private const int Blocks = 200;

    [Theory]
    [InlineData(TurnController.Ehci, SwitchSteps.None, true)]
    [InlineData(TurnController.Ehci, SwitchSteps.Quiesce, false)]
    [InlineData(TurnController.Ehci, SwitchSteps.Gates, false)]
    [InlineData(TurnController.Ehci, SwitchSteps.Translation, false)]
    [InlineData(TurnController.Xhci, SwitchSteps.None, true)]
    [InlineData(TurnController.Xhci, SwitchSteps.Quiesce, false)]
    [InlineData(TurnController.Xhci, SwitchSteps.Translation, false)]
    [InlineData(TurnController.Xhci, SwitchSteps.State, false)]
    public void Guests_read_their_own_disks_only_with_all_steps(TurnController kind, SwitchSteps without, bool isRight)
    {
        using TimeSharedComputer machine = new(3, kind);
        byte[][] contents = [.. Enumerable.Range(0, 3).Select(Content)];
        for (int number = 0; number < 3; number++)
            machine.Ports[number].Plug(new MassStorageDevice(new MemoryDiskImage(contents[number])));
        byte[]?[] found = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = TimeSharingOptions.QuantumNsMin, IsWorkConserving = false, Without = without });
                return await Task.WhenAll(Enumerable.Range(0, 3).Select(number => Read(machine, number)));
            },
            PatienceNs);
        bool isOwn = found.Zip(contents).All(pair => pair.First is { } bytes && bytes.AsSpan().SequenceEqual(pair.Second));
        Assert.Equal(isRight, isOwn && machine.Host.Faults.Total == 0 && machine.Watch.Strays == 0);
    }

    [Theory]
    [InlineData(TurnController.Ehci, SwitchSteps.None)]
    [InlineData(TurnController.Ehci, SwitchSteps.Interrupt)]
    [InlineData(TurnController.Xhci, SwitchSteps.None)]
    [InlineData(TurnController.Xhci, SwitchSteps.Interrupt)]
    [InlineData(TurnController.Xhci, SwitchSteps.Gates)]
    public void A_guest_without_work_is_interrupted_only_where_the_interrupt_does_not_follow_the_turn_or_ports_have_no_gates(TurnController kind, SwitchSteps without)
    {
        using TimeSharedComputer machine = new(2, kind);
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = TimeSharingOptions.QuantumNsMin, IsWorkConserving = false, Without = without });
                await UsbHostControllers.Start(await machine.Open(0));
                SteppingGuest busy = new(machine.Host, machine.Guests[1], machine.Ports[1], 0x20);
                await busy.Run(await machine.Open(1), UsbHostControllers.Start, [new(DeviceUse.Read, 4), new(DeviceUse.Ask, 0)]);
            },
            PatienceNs);
        Assert.Equal(without == SwitchSteps.None, machine.Sharing.InterruptsForwarded(machine.Guests[0]) == 0);
    }

    [Theory]
    [InlineData(TurnController.Ehci, SwitchSteps.None)]
    [InlineData(TurnController.Ehci, SwitchSteps.Clock)]
    [InlineData(TurnController.Xhci, SwitchSteps.None)]
    [InlineData(TurnController.Xhci, SwitchSteps.Clock)]
    public void The_frame_index_stands_still_between_turns_only_where_its_clock_does(TurnController kind, SwitchSteps without)
    {
        using TimeSharedComputer machine = new(2, kind);
        (int command, int index, uint run) = kind == TurnController.Ehci
            ? (0x20, 0x20 + EhciOperationalOffsets.FrameIndex, new UsbCommand { Run = true, InterruptThreshold = 1 }.Raw.Value)
            : (0x40, 0x1000, new XhciCommand { Run = true }.Raw.Value);
        uint moved = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { IsWorkConserving = false, Without = without });
                IRegisterWindow[] registers = [await Run(machine, 0, command, run), await Run(machine, 1, command, run)];
                uint Index() => registers[0].Read32(index);
                await machine.Host.Loop.Delay(1_000_000);
                uint before = Index();
                await machine.Host.Loop.Delay(1_000_000_000);
                return (Index() - before) & 0x3FFF;
            },
            PatienceNs);

        // One second is 8,000 microframes.
        Assert.Equal(without == SwitchSteps.None, moved == 8_000);
    }

    private static async Task<IRegisterWindow> Run(TimeSharedComputer machine, int number, int command, uint run)
    {
        PciDevice device = await machine.Open(number);
        device.Configuration.Write(PciOffset.Command, 2, 6);
        IRegisterWindow registers = device.OpenBar(0);
        registers.Write32(command, run);
        return registers;
    }

    private static async Task<byte[]?> Read(TimeSharedComputer machine, int number)
    {
        try
        {
            return await DiskReader.ReadAll(await machine.Open(number), number + 1);
        }
        catch (DriverException)
        {
            return null;
        }
    }

    private static byte[] Content(int seed)
    {
        byte[] content = new byte[Blocks * 512];
        new Random(seed).NextBytes(content);
        return content;
    }
}
