using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

public sealed class DirectDmaTests
{
    public static TheoryData<string> Profiles => [.. ProfileChoice.Names];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void An_unchanged_driver_reads_its_disk_in_a_guest_without_a_copy_and_without_a_fault(string profile)
    {
        byte[] content = DiskReader.Content(sectors: 700);
        using DirectDmaComputer computer = new(profile, content);
        MemorySnapshot other = new(computer.Host.Memory, computer.Other.Memory.Blocks.Select(block => (block.Host, block.Size.Bytes)));
        Assert.Equal(content, computer.Host.Loop.Run(computer.ReadDisk));
        Assert.Equal(0ul, other.CountChangedBytes(computer.Host.Memory));
        Assert.Equal(0ul, computer.Host.Unit.Statistics.Faults);
        Assert.Equal(0ul, computer.Host.Total()[Cost.CopiedByte]);
        Assert.True(computer.Assignment.InterruptsForwarded > 0);

        // Registers cost no exits: those there were are configuration cycles, interrupts and hypercalls.
        Meter guest = computer.Guest.Cpu.Processor.Meter;
        Assert.InRange(guest[Cost.Exit] - guest[Cost.Hypercall] - computer.Assignment.InterruptsForwarded, 1ul, 300ul);
        Assert.Equal(AssignmentResult.Done, computer.Host.Loop.Run(() => computer.Assignment.TakeBack().AsTask()));
        Assert.Equal(0ul, computer.Host.Frames.Pins);
    }

    [Theory]
    [InlineData("friendly")]
    [InlineData("hostile")]
    public void The_same_run_gives_the_same_trace_byte_for_byte(string profile)
    {
        string[] traces = new string[2];
        for (int run = 0; run < traces.Length; run++)
        {
            BusTrace trace = new();
            using DirectDmaComputer computer = new(profile, DiskReader.Content(sectors: 200), trace);
            _ = computer.Host.Loop.Run(computer.ReadDisk);

            // And a fault at the end: the guest lets its controller go where nothing is mapped any more.
            computer.Guest.Pci.WriteConfiguration(new(0, 2, 0), PciOffset.Command, 2, (uint)(PciCommand.BusMaster | PciCommand.MemorySpace));
            ulong bar = computer.Guest.Pci.ReadConfiguration(new(0, 2, 0), PciOffset.Bar0, 4);
            computer.Guest.Cpu.Store(new(bar + 0x38), 4, 0x1000);
            computer.Guest.Cpu.Store(new(bar + 0x20), 4, 0x80021);
            computer.Host.Loop.RunFor(1_000_000);
            Assert.Equal(0ul, trace.Dropped);
            foreach (TraceKind kind in (TraceKind[])[TraceKind.Read, TraceKind.Write, TraceKind.Interrupt, TraceKind.Fault])
                Assert.Contains(trace.Events, entry => entry.Kind == kind);
            traces[run] = trace.ToString();
        }

        Assert.Equal(traces[0], traces[1]);
    }
}
