using Dma.Lab;
using Dma.Machine;
using Microsoft.Win32.SafeHandles;

namespace Dma.Properties;

/// <summary>How interrupts of the function become events of the client.</summary>
public sealed class VfioUserInterruptTests : IDisposable
{
    private const InterruptSetFlags AssignEvents = InterruptSetFlags.DataEvent | InterruptSetFlags.Trigger;
    private const InterruptSetFlags TriggerAll = InterruptSetFlags.DataNone | InterruptSetFlags.Trigger;
    private const InterruptSetFlags MaskAll = InterruptSetFlags.DataNone | InterruptSetFlags.Mask;
    private const InterruptSetFlags UnmaskAll = InterruptSetFlags.DataNone | InterruptSetFlags.Unmask;

    private readonly SafeFileHandle[] _events = [.. Enumerable.Range(0, 8).Select(_ => UnixDescriptors.CreateEvent())];

    public void Dispose()
    {
        foreach (SafeFileHandle known in _events)
            known.Dispose();
    }

    [Fact]
    public void Each_vector_of_msi_signals_its_own_event_through_an_entry_of_the_remapping_unit()
    {
        foreach (string profile in ProfileChoice.Names)
        {
            using VfioUserBench bench = new(profile: profile);
            bench.EnableBusMaster();
            Raise(bench, 0);
            Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msi, AssignEvents, 0, 4, null, Given(0, 1, 2, 3)));
            Assert.Equal([0, 0, 0, 0], Counts(4));
            Raise(bench, 2);
            Assert.Equal([0, 0, 1, 0], Counts(4));
            foreach (int vector in (int[])[3, 0, 1, 0])
                Raise(bench, vector);
            Assert.Equal([2, 1, 0, 1], Counts(4));
            if (bench.Machine.Unit.Profile.ExtendedCapabilities.InterruptRemapping && bench.Machine.Remapping.Interrupts is not null)
                Assert.Equal(5ul, bench.Machine.Unit.InterruptStatistics.Remapped);

            // One that has no event any more goes nowhere; the others go on.
            Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msi, AssignEvents, 1, 2));
            Raise(bench, 1);
            Raise(bench, 3);
            Assert.Equal([0, 0, 0, 1], Counts(4));
            Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msi, TriggerAll, 0, 0));
            Raise(bench, 3);
            Assert.Equal([0, 0, 0, 0], Counts(4));
            Assert.Equal(0u, bench.Machine.Function.Space.Read(Msi(bench) + 2, 2) & 1);
        }
    }

    [Fact]
    public void A_function_that_makes_up_a_message_raises_nothing()
    {
        using VfioUserBench bench = new();
        bench.EnableBusMaster();
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msi, AssignEvents, 0, 4, null, Given(0, 1, 2, 3)));
        foreach (uint data in (uint[])[0x40, 0x41, 0x30])
            _ = bench.Function.Port.Write(new(0xFEE0_1000), BitConverter.GetBytes(data));
        bench.Machine.Loop.RunFor(1_000_000);
        Assert.Equal([0, 0, 0, 0], Counts(4));
        Assert.Equal(3ul, bench.Machine.Faults);
    }

    [Fact]
    public void Msix_has_an_event_for_each_vector_and_a_table_that_the_client_cannot_use()
    {
        ProbeFunction probe = new ProbeFunction().WithBar(0, 4096).WithBar(2, 4096).With(new MsixCapability(8, bar: 2, tableOffset: 0, pendingOffset: 0x800));
        using VfioUserBench bench = new(probe);
        bench.EnableBusMaster();
        Assert.Equal(1u, bench.Read32(2, 12));
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msix, AssignEvents, 0, 8, null, Given(0, 1, 2, 3, 4, 5, 6, 7)));

        // As a guest would, vector 5 is programmed and masked again: only the client itself cares.
        bench.Write32(2, 0x50, 0xFEE0_0007);
        bench.Write32(2, 0x58, 0x41);
        bench.Write32(2, 0x5C, uint.MaxValue);
        Assert.Equal((0xFEE0_0004u, 0x41u, 1u), (bench.Read32(2, 0x50), bench.Read32(2, 0x58), bench.Read32(2, 0x5C)));
        Assert.Equal(0u, bench.Read32(2, 0x800));
        Raise(bench, 5);
        Raise(bench, 7);
        Assert.Equal([0, 0, 0, 0, 0, 1, 0, 1], Counts(8));

        // Registers in other places of the BAR are the function's.
        bench.Write32(2, 0x80, 77);
        Assert.Equal((77u, 77ul), (bench.Read32(2, 0x80), probe.ReadBar(2, 0x80, 4)));

        // A reset takes the messages from the function, and the server gives them back.
        _ = bench.Do(VfioUserCommand.DeviceReset, []);
        bench.EnableBusMaster();
        Raise(bench, 1);
        Assert.Equal([0, 1, 0, 0, 0, 0, 0, 0], Counts(8));
    }

    [Fact]
    public void The_pin_signals_once_and_again_when_it_is_unmasked_and_still_driven()
    {
        using VfioUserBench bench = new();
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Intx, AssignEvents, 0, 1, null, Given(0)));
        Want(bench, true);
        Assert.Equal([1], Counts(1));
        Assert.Equal(8, bench.Read(VfioUserBench.Configuration, PciOffset.Status, 1)[0] & 8);
        Want(bench, false);
        Want(bench, true);
        Assert.Equal([0], Counts(1));
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Intx, UnmaskAll, 0, 1));
        Assert.Equal([1], Counts(1));
        Want(bench, false);
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Intx, UnmaskAll, 0, 1));
        Assert.Equal([0], Counts(1));
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Intx, MaskAll, 0, 1));
        Want(bench, true);
        Assert.Equal([0], Counts(1));
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Intx, UnmaskAll, 0, 1));
        Assert.Equal([1], Counts(1));

        // Interrupt disable of the client holds the real pin.
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Intx, UnmaskAll, 0, 1));
        _ = Counts(1);
        bench.Write(VfioUserBench.Configuration, PciOffset.Command, 0, 4);
        Assert.False(bench.Machine.Line.IsAsserted);
    }

    [Fact]
    public void A_masked_vector_is_signalled_when_it_is_unmasked()
    {
        using VfioUserBench bench = new();
        bench.EnableBusMaster();
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msi, AssignEvents, 0, 4, null, Given(0, 1, 2, 3)));
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msi, InterruptSetFlags.DataBool | InterruptSetFlags.Mask, 0, 4, [1, 0, 0, 1]));
        for (int vector = 0; vector < 4; vector++)
            Raise(bench, vector);
        Assert.Equal([0, 1, 1, 0], Counts(4));
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msi, UnmaskAll, 0, 4));
        Assert.Equal([1, 0, 0, 1], Counts(4));
    }

    [Fact]
    public void A_client_can_trigger_its_own_events()
    {
        using VfioUserBench bench = new();
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msi, AssignEvents, 0, 4, null, Given(0, 1, 2, 3)));
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msi, TriggerAll, 1, 2));
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msi, InterruptSetFlags.DataBool | InterruptSetFlags.Trigger, 0, 3, [1, 0, 1]));
        Assert.Equal([1, 1, 2, 0], Counts(4));
    }

    [Fact]
    public void What_makes_no_sense_is_refused_and_keeps_no_descriptor()
    {
        using VfioUserBench bench = new();
        foreach ((InterruptType type, InterruptSetFlags flags, uint start, uint count) in ((InterruptType, InterruptSetFlags, uint, uint)[])[
            (InterruptType.Msi, AssignEvents, 4, 1), (InterruptType.Msi, AssignEvents, 1, 4), (InterruptType.Msi, AssignEvents, uint.MaxValue, 2), (InterruptType.Msi, AssignEvents, 1, uint.MaxValue),
            (InterruptType.Msi, InterruptSetFlags.Trigger, 0, 1), (InterruptType.Msi, InterruptSetFlags.DataNone, 0, 1), (InterruptType.Msi, TriggerAll | InterruptSetFlags.Mask, 0, 1),
            (InterruptType.Msi, TriggerAll | InterruptSetFlags.DataBool, 0, 1), (InterruptType.Msi, TriggerAll, 1, 0), (InterruptType.Msi, MaskAll, 0, 0), (InterruptType.Msi, AssignEvents, 0, 0),
            (InterruptType.Msi, TriggerAll | (InterruptSetFlags)64, 0, 1), (InterruptType.Msix, TriggerAll, 0, 0), (InterruptType.Error, TriggerAll, 0, 1), ((InterruptType)5, TriggerAll, 0, 1),
            (InterruptType.Msi, InterruptSetFlags.DataBool | InterruptSetFlags.Trigger, 0, 2)])
        {
            Assert.Equal(ErrorNumber.Invalid, bench.SetInterrupts(type, flags, start, count));
        }

        Assert.Equal(ErrorNumber.Invalid, bench.SetInterrupts(InterruptType.Msi, AssignEvents, 0, 2, null, Given(0)));
        Assert.Equal(ErrorNumber.Invalid, bench.SetInterrupts(InterruptType.Msi, TriggerAll, 0, 1, null, Given(0)));
        Assert.Equal(ErrorNumber.Invalid, bench.SetInterrupts(InterruptType.Msi, AssignEvents, 0, 1, null, UnixDescriptors.CreateMemory(4096, isSealed: false)));
        Assert.Equal(ErrorNumber.Invalid, bench.SetInterrupts(InterruptType.Msi, AssignEvents, 0, 1, [0]));
        Assert.Equal(ErrorNumber.NotSupported, bench.SetInterrupts(InterruptType.Intx, InterruptSetFlags.DataEvent | InterruptSetFlags.Unmask, 0, 1, null, Given(0)));
        Assert.Equal(ErrorNumber.NotSupported, bench.SetInterrupts(InterruptType.Msi, InterruptSetFlags.DataEvent | InterruptSetFlags.Mask, 0, 1, null, Given(0)));
        bench.EnableBusMaster();
        Raise(bench, 0);
        Assert.Equal(new ulong[8], Counts(8));
    }

    [Fact]
    public void Events_go_with_their_client_and_entries_with_them()
    {
        using VfioUserBench bench = new();
        bench.EnableBusMaster();
        int free = bench.Machine.Remapping.Interrupts!.EntriesFree;
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msi, AssignEvents, 0, 4, null, Given(0, 1, 2, 3)));
        Assert.Equal(free - 4, bench.Machine.Remapping.Interrupts.EntriesFree);
        bench.Next();
        bench.EnableBusMaster();
        Raise(bench, 0);
        Assert.Equal([0, 0, 0, 0], Counts(4));
        Assert.Equal(free, bench.Machine.Remapping.Interrupts.EntriesFree);
    }

    [Fact]
    public void An_event_that_is_full_holds_nobody_up()
    {
        using VfioUserBench bench = new();
        bench.EnableBusMaster();
        Assert.Equal(ErrorNumber.None, bench.SetInterrupts(InterruptType.Msi, AssignEvents, 0, 1, null, Given(0)));
        RandomAccess.Write(_events[0], BitConverter.GetBytes(ulong.MaxValue - 1), 0);
        Raise(bench, 0);
        Assert.Equal(0ul, bench.Interrupts.Signalled);
        Assert.Equal([ulong.MaxValue - 1], Counts(1));
    }

    private static int Msi(VfioUserBench bench) => bench.Machine.Function.Capabilities.Single(capability => capability.Id == PciCapabilityId.Msi).Offset;

    private static void Raise(VfioUserBench bench, int vector)
    {
        bench.Function.Raise(vector);
        bench.Machine.Loop.RunFor(0);
    }

    private static void Want(VfioUserBench bench, bool interrupt)
    {
        bench.Function.Want(interrupt);
        bench.Machine.Loop.RunFor(0);
    }

    // The same descriptors once more; who gets them does not close them.
    private SafeFileHandle[] Given(params int[] indexes) => [.. indexes.Select(index => new SafeFileHandle(_events[index].DangerousGetHandle(), ownsHandle: false))];

    private ulong[] Counts(int count) => [.. _events.Take(count).Select(VfioUserBench.Count)];
}
