using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A USB stack of a host without a controller: it moves bytes by itself, into memory that was given to it and nowhere else.</summary>
/// <remarks>What it is given and should not be it writes down: an exception would leave a back end in the middle of things.</remarks>
internal class FakeHostUsb : IHostUsbController
{
    private readonly Host _host;
    private readonly FrameAllocator _frames;
    private readonly Dictionary<Iova, IReadOnlyList<PhysicalAddress>> _mapped = [];
    private ulong _next = 1ul << 40;

    public FakeHostUsb(Host host)
    {
        _host = host;
        Assert.True(host.Frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page2M, out PhysicalAddress first));
        _frames = new(new(first.Value), FrameSize.Page2M.Bytes);
    }

    /// <summary>A stack of a VM, with memory of its own.</summary>
    protected FakeHostUsb(Host host, FrameAllocator frames) => (_host, _frames) = (host, frames);

    public virtual Processor Processor => _host.Cpu.Processor;

    /// <summary>What was asked of it, or of its devices, that must not be.</summary>
    public List<string> Wrongs { get; } = [];

    /// <summary>How many buffers of guests the controller reaches now.</summary>
    public virtual int Mapped => _mapped.Count;

    /// <summary>How many buffers of guests, and how many of its own, it ever had.</summary>
    public (int Mapped, int Own) Made { get; private set; }

    /// <summary>How many frames of its own are in use.</summary>
    public ulong Allocated => _frames.FramesTotal - _frames.FramesFree;

    public virtual ValueTask<HostUsbBuffer?> TryAllocate(int length)
    {
        Made = Made with { Own = Made.Own + 1 };
        return new(_frames.TryAllocate(PagesOf(length), 4096, out GuestPhysicalAddress first)
            ? new HostUsbBuffer(new(first.Value), length, new MemoryBuffer(Cpu, first, length))
            : null);
    }

    public ValueTask<HostUsbBuffer?> TryMap(IReadOnlyList<PhysicalAddress> frames, int offset, int length, DmaDirection direction)
    {
        Made = Made with { Mapped = Made.Mapped + 1 };
        Demand(frames.All(frame => _host.Frames.PinsOf(frame) != 0), "A frame that nobody pinned is mapped.");
        Iova address = new(_next += 1 << 20);
        _mapped.Add(address, frames);
        return new(new HostUsbBuffer(address + (ulong)offset, length, Memory: null));
    }

    public ValueTask Release(HostUsbBuffer buffer)
    {
        if (buffer.Memory is { } memory)
            _frames.Free(memory.Address, PagesOf(buffer.Length));
        else
            Demand(_mapped.Remove(new(buffer.DeviceAddress.Value & ~0xFFFul)), "What is not mapped is unmapped.");
        return default;
    }

    /// <summary>Writes down what is wrong.</summary>
    public void Demand(bool holds, string wrong)
    {
        if (!holds)
            Wrongs.Add(wrong);
    }

    /// <summary>Does what a device sends.</summary>
    public virtual void Fill(HostUsbBuffer buffer, int offset, int length, byte value)
    {
        byte[] bytes = new byte[length];
        bytes.AsSpan().Fill(value);
        if (buffer.Memory is { } memory)
            memory.Write(offset, bytes);
        else
            ForEachPage(buffer, offset, length, (address, from, count) => Assert.True(_host.Memory.TryWrite(address, bytes.AsSpan(from, count))));
    }

    /// <summary>Reads what a device is sent.</summary>
    public virtual byte[] Read(HostUsbBuffer buffer, int offset, int length)
    {
        byte[] bytes = new byte[length];
        if (buffer.Memory is { } memory)
            memory.Read(offset, bytes);
        else
            ForEachPage(buffer, offset, length, (address, from, count) => Assert.True(_host.Memory.TryRead(address, bytes.AsSpan(from, count))));
        return bytes;
    }

    /// <summary>The processor that its software runs on.</summary>
    protected virtual ICpu Cpu => _host.Cpu;

    /// <summary>The frame behind a page of a guest that the controller reaches.</summary>
    /// <param name="buffer">The buffer that it is of.</param>
    /// <param name="index">Which page of it.</param>
    protected virtual PhysicalAddress FrameOf(HostUsbBuffer buffer, int index) => _mapped[new(buffer.DeviceAddress.Value & ~0xFFFul)][index];

    private static ulong PagesOf(int length) => ((ulong)length + 4095) / 4096;

    private void ForEachPage(HostUsbBuffer buffer, int offset, int length, Action<PhysicalAddress, int, int> use)
    {
        for (int done = 0; done < length;)
        {
            int at = buffer.DeviceAddress.PageOffset + offset + done;
            int count = Math.Min(length - done, 4096 - (at % 4096));
            use(FrameOf(buffer, at / 4096) + (ulong)(at % 4096), done, count);
            done += count;
        }
    }
}
