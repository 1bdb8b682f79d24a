using Dma.Machine;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Windows on the system bus beside a list that is searched in order.</summary>
public sealed class WindowMapModel
{
    private const ulong MemoryBytes = 0x2000;
    private const ulong Space = 0x4000;

    [Fact]
    public void The_first_window_in_order_that_is_there_answers() =>
        Property.Check(
            Generate.Program(
                from isAdd in Gen.Frequency((3, Gen.Constant(true)), (1, Gen.Constant(false)))
                from start in Gen.Choose(0, 63)
                from length in Gen.Choose(1, 40)
                from order in Gen.Elements(WindowOrder.OverMemory, WindowOrder.UnderMemory)
                from which in Gen.Choose(0, 30)
                select (isAdd, Start: (ulong)start * 0x100, Length: (ulong)length * 0x40, order, which),
                stepsMax: 40),
            program =>
            {
                using PhysicalMemory memory = new(MemoryBytes);
                SystemBus bus = new(memory);
                List<(ulong Start, ulong Length, WindowOrder Order, Echo Device)> windows = [];
                int id = 0;
                foreach ((bool isAdd, ulong start, ulong length, WindowOrder order, int which) in program)
                {
                    if (isAdd)
                    {
                        windows.Add((start, length, order, new(++id)));
                        bus.AddWindow(new(start), length, windows[^1].Device, order);
                    }
                    else if (windows.Count != 0)
                    {
                        bus.RemoveWindow(new(windows[which % windows.Count].Start), windows[which % windows.Count].Device);
                        windows.RemoveAt(which % windows.Count);
                    }

                    for (ulong address = 0; address < Space; address += 0x20)
                        Assert.Equal(Expected(windows, address), bus.Load(new(address), 4));
                }
            },
            count: 40);

    [Fact]
    public void An_access_that_leaves_a_window_is_no_access_to_it()
    {
        using PhysicalMemory memory = new(MemoryBytes);
        SystemBus bus = new(memory);
        bus.AddWindow(new(0x3000), 0x10, new Echo(1));
        Assert.Equal(ulong.MaxValue, bus.Load(new(0x300C), 8));
        Assert.Equal(uint.MaxValue, bus.Load(new(0x2FFE), 4));
        bus.AddWindow(new(0x1000), 0x10, new Echo(2));
        Assert.Equal(0ul, bus.Load(new(0x100C), 8));
        bus.Store(new(0x100C), 8, ulong.MaxValue);
        Assert.True(memory.TryRead(new(0x100C), out ulong stored));
        Assert.Equal(ulong.MaxValue, stored);
    }

    [Fact]
    public void A_window_may_end_with_the_address_space_but_not_leave_it()
    {
        using PhysicalMemory memory = new(MemoryBytes);
        SystemBus bus = new(memory);
        bus.AddWindow(new(ulong.MaxValue - 0xFFF), 0x1000, new Echo(1));
        bus.AddWindow(new(ulong.MaxValue - 0x1FFF), 0x2000, new Echo(2));
        Assert.Equal(0x1_0000ul, bus.Load(new(ulong.MaxValue - 0xFFF), 4));
        Assert.Equal(0x2_0FFCul, bus.Load(new(ulong.MaxValue - 0x1003), 4));
        Assert.Equal(0x1_0FF8ul, bus.Load(new(ulong.MaxValue - 7), 8));
        Assert.Equal(ulong.MaxValue, bus.Load(new(ulong.MaxValue), 8));
        Assert.Throws<OverflowException>(() => bus.AddWindow(new(ulong.MaxValue - 0xFFF), 0x1001, new Echo(3)));
        Assert.Throws<ArgumentOutOfRangeException>(() => bus.AddWindow(new(0), 0, new Echo(3)));
    }

    [Fact]
    public void Ports_answer_like_windows()
    {
        using PhysicalMemory memory = new(MemoryBytes);
        SystemBus bus = new(memory);
        bus.AddPorts(0x60, 4, new Echo(1));
        bus.AddPorts(0xFFFF, 1, new Echo(2));
        Assert.Equal(2u, bus.In(0x62, 2));
        Assert.Equal(uint.MaxValue, bus.In(0x62, 4));
        Assert.Equal(0xFFu, bus.In(0x64, 1));
        Assert.Equal(0u, bus.In(0xFFFF, 1));
        Assert.Equal(0xFFFFu, bus.In(0xFFFF, 2));
        bus.Out(0x64, 4, 1);
    }

    private static ulong Expected(List<(ulong Start, ulong Length, WindowOrder Order, Echo Device)> windows, ulong address)
    {
        foreach (WindowOrder order in (ReadOnlySpan<WindowOrder>)[WindowOrder.OverMemory, WindowOrder.UnderMemory])
        {
            if (order == WindowOrder.UnderMemory && address < MemoryBytes)
                return 0;
            foreach ((ulong start, ulong length, WindowOrder itsOrder, Echo device) in windows)
            {
                if (itsOrder == order && address >= start && address < start + length)
                    return device.Read(address - start, 4);
            }
        }

        return uint.MaxValue;
    }

    /// <summary>Answers with its number and the offset.</summary>
    private sealed class Echo(int id) : IMmioDevice
    {
        public ulong Read(ulong offset, int width) => ((ulong)id << 16) | offset;

        public void Write(ulong offset, int width, ulong value) => Assert.Fail("Nobody writes here.");
    }
}
