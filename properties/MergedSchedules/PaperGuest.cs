using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>An interrupt queue on paper: in which frames it is.</summary>
/// <param name="Period">From frame to frame, a power of two.</param>
/// <param name="Phase">The first frame.</param>
/// <param name="Address">Where its queue head lies.</param>
internal sealed record PaperQueue(int Period, int Phase, uint Address);

/// <summary>A guest that writes schedules into its memory by hand, changes them by hand, and knows what it wrote.</summary>
/// <remarks>Its queues have no work, and its isochronous descriptors are for a device that is not there: what counts is where they stand.</remarks>
internal sealed class PaperGuest
{
    public const uint FrameListAt = 0x10_0000;
    public const uint StructuresAt = 0x20_0000;

    private const int Operational = 0x20;
    private const uint StructureBytes = 128;
    private const int MemoryBytes = 0x30_0000;
    private const uint BufferAt = 0x18_0000;

    private readonly VirtualMachine _machine;
    private readonly IRegisterWindow _registers;
    private readonly List<PaperQueue> _interrupts = [];
    private readonly List<uint> _ring = [];
    private readonly Dictionary<int, List<(LinkType Type, uint Address)>> _isochronous = [];
    private readonly LinkPointer[] _elements = new LinkPointer[1024];
    private uint _free = StructuresAt;

    public PaperGuest(VirtualMachine machine, PciDevice device, FrameListSize size)
    {
        (_machine, Size) = (machine, size);
        device.Configuration.Write(PciOffset.Command, 2, 6);
        _registers = device.OpenBar(0);
        RelinkFrames();
        _ = AddToRing(0);
        Setup();
    }

    public FrameListSize Size { get; }

    public int Frames => 1024 >> (int)Size;

    /// <summary>The asynchronous list, from the first queue head that it ever had.</summary>
    public IReadOnlyList<uint> Ring => _ring;

    public UsbCommand Command
    {
        get => new(new(this[EhciOperationalOffsets.UsbCommand]));
        set => this[EhciOperationalOffsets.UsbCommand] = value.Raw.Value;
    }

    public UsbStatus Status => new(new(this[EhciOperationalOffsets.UsbStatus]));

    public uint this[int operational]
    {
        get => _registers.Read32(Operational + operational);
        set => _registers.Write32(Operational + operational, value);
    }

    private static LinkPointer End => new() { Terminate = true };

    /// <summary>All memory of a guest in which its software has anything.</summary>
    public static byte[] MemoryOf(VirtualMachine machine)
    {
        byte[] memory = new byte[MemoryBytes];
        Assert.True(machine.Cpu.TryRead(new(FrameListAt), memory));
        return memory;
    }

    public void Run() => Command = new() { Run = true, AsyncEnable = true, PeriodicEnable = true, FrameListSize = Size, InterruptThreshold = 1 };

    /// <summary>Points the controller to its lists; it is halted.</summary>
    public void Setup()
    {
        this[EhciOperationalOffsets.PeriodicListBase] = FrameListAt;
        this[EhciOperationalOffsets.AsyncListAddress] = _ring[0];
        this[EhciOperationalOffsets.InterruptEnable] = 0x3F;
    }

    /// <summary>What it has in a frame of its list, in order.</summary>
    public IEnumerable<(LinkType Type, uint Address)> Frame(int frame) =>
    [
        .. _isochronous.GetValueOrDefault(frame % Frames) ?? [],
        .. QueuesOf(frame % Frames).Select(queue => (LinkType.QueueHead, queue.Address)),
    ];

    /// <summary>Where the interrupt queues of a frame are, in order.</summary>
    public IEnumerable<uint> Queues(int frame) => QueuesOf(frame % Frames).Select(queue => queue.Address);

    /// <summary>Puts a queue head behind another one of the ring.</summary>
    /// <param name="after">Behind which, counted round.</param>
    /// <param name="head">What it is; one without work by default.</param>
    public uint AddToRing(int after, QueueHead? head = null)
    {
        uint address = Take();
        Write(address, head ?? EhciBench.Queue(3, 1, 512, 0, isHead: _ring.Count == 0));
        PutIntoRing(address, after);
        return address;
    }

    /// <summary>Puts a queue head that is written already behind another one of the ring.</summary>
    public void PutIntoRing(uint address, int after)
    {
        int place = _ring.Count == 0 ? 0 : (after % _ring.Count) + 1;
        uint next = _ring.Count == 0 ? address : _ring[place % _ring.Count];
        Write(address, new LinkPointer { Type = LinkType.QueueHead, Address = next });
        if (_ring.Count != 0)
            Write(_ring[place - 1], new LinkPointer { Type = LinkType.QueueHead, Address = address });
        _ring.Insert(place, address);
    }

    /// <summary>Takes a queue head off the ring, but not the first; its memory is not used again.</summary>
    /// <returns>0 where there is no other.</returns>
    public uint RemoveFromRing(int which)
    {
        if (_ring.Count == 1)
            return 0;
        int place = 1 + (which % (_ring.Count - 1));
        uint address = _ring[place];
        Write(_ring[place - 1], new LinkPointer { Type = LinkType.QueueHead, Address = _ring[(place + 1) % _ring.Count] });
        _ring.RemoveAt(place);
        return address;
    }

    /// <summary>Puts an interrupt queue into all frames of a period, as drivers do: the rarest first.</summary>
    public void AddInterrupt(int period, int phase, byte startMask, int packetBytes = 8, int multiplier = 1) =>
        _ = AddInterrupt(period, phase, EhciBench.Queue(4, 2, packetBytes, 0, isHead: false, nakReload: 0) with { Capabilities = new() { StartMask = startMask, Multiplier = multiplier } });

    /// <inheritdoc cref="AddInterrupt(int, int, byte, int, int)"/>
    public uint AddInterrupt(int period, int phase, in QueueHead head)
    {
        period = Math.Min(period, Frames);
        uint address = Take();
        PaperQueue queue = new(period, phase % period, address);
        Write(address, head with { Horizontal = End });
        int place = _interrupts.FindIndex(other => other.Period <= period);
        _interrupts.Insert(place < 0 ? _interrupts.Count : place, queue);
        RelinkFrames();
        return address;
    }

    public void RemoveInterrupt(int which)
    {
        if (_interrupts.Count == 0)
            return;
        _interrupts.RemoveAt(which % _interrupts.Count);
        RelinkFrames();
    }

    /// <summary>Puts an isochronous descriptor with some active slots before what is in a frame.</summary>
    public void AddIsochronous(int frame, byte slots, bool isSplit, int bytes = 16)
    {
        uint address = Take();
        if (isSplit)
            Write(address, Split(slots));
        else
            WriteSlots(address, slots, bytes, BufferAt, pages: 1, device: 5, endpoint: 1);
        PutIntoFrame(frame, isSplit ? LinkType.SplitIsochronousTransfer : LinkType.IsochronousTransfer, address);
    }

    /// <summary>Puts an isochronous descriptor with some active slots before what is in a frame; slots have a page each, which the eighth has not.</summary>
    public uint AddIsochronous(int frame, byte slots, int bytes, uint buffer, int device, int endpoint)
    {
        uint address = Take();
        WriteSlots(address, slots, bytes, buffer, IsochronousTransferDescriptor.PageCount, device, endpoint);
        PutIntoFrame(frame, LinkType.IsochronousTransfer, address);
        return address;
    }

    /// <summary>Puts a descriptor that is written already before what is in a frame.</summary>
    public void PutIntoFrame(int frame, LinkType type, uint address)
    {
        if (!_isochronous.TryGetValue(frame % Frames, out List<(LinkType, uint)>? list))
            _isochronous.Add(frame % Frames, list = []);
        list.Insert(0, (type, address));
        RelinkFrames();
    }

    /// <summary>Takes an isochronous descriptor out of a frame.</summary>
    public void RemoveFromFrame(int frame, uint address)
    {
        _ = _isochronous[frame % Frames].RemoveAll(entry => entry.Address == address);
        RelinkFrames();
    }

    /// <summary>Memory for a structure, which nothing else is in.</summary>
    public uint Take()
    {
        uint address = _free;
        _free += StructureBytes;
        return address;
    }

    /// <summary>Whether its frame list and the links of its ring are as it wrote them last.</summary>
    public bool HasItsLinks()
    {
        byte[] elements = new byte[sizeof(uint) * Frames];
        bool isThere = _machine.Cpu.TryRead(new(FrameListAt), elements);
        return isThere && elements.AsSpan().SequenceEqual(MemoryMarshal.AsBytes(_elements.AsSpan(0, Frames)))
            && _ring.Select((address, index) => Read<LinkPointer>(address) == new LinkPointer { Type = LinkType.QueueHead, Address = _ring[(index + 1) % _ring.Count] }).All(static isOwn => isOwn);
    }

    /// <summary>Stores a value anywhere.</summary>
    public void Write<T>(uint address, in T value)
        where T : unmanaged => Assert.True(_machine.Cpu.TryWrite(new(address), Packed.ToArray(value, System.Runtime.CompilerServices.Unsafe.SizeOf<T>())));

    public T Read<T>(uint address)
        where T : unmanaged
    {
        byte[] bytes = new byte[System.Runtime.CompilerServices.Unsafe.SizeOf<T>()];
        Assert.True(_machine.Cpu.TryRead(new(address), bytes));
        return Packed.Read<T>(bytes);
    }

    private static SplitIsochronousTransferDescriptor Split(byte slots) => new()
    {
        Endpoint = new() { DeviceAddress = 5, Endpoint = 1, HubAddress = 6, HubPort = 1 },
        Schedule = new() { StartMask = (byte)(slots & -slots) },
        State = new() { Active = true, TotalBytes = 8 },
        Page0 = new(new(BufferAt)),
        Page1 = new() { TransactionCount = 1 },
        Back = End,
    };

    private void WriteSlots(uint address, byte slots, int length, uint buffer, int pages, int device, int endpoint)
    {
        byte[] bytes = new byte[IsochronousTransferDescriptor.Size64];
        for (int microframe = 0; microframe < 8; microframe++)
        {
            IsochronousSlot slot = new() { Active = (slots >> microframe & 1) != 0, Length = length, PageSelect = microframe % pages };
            BitConverter.TryWriteBytes(bytes.AsSpan(IsochronousTransferDescriptor.SlotsOffset + (4 * microframe)), slot.Raw.Value);
        }

        for (int page = 0; page < IsochronousTransferDescriptor.PageCount; page++)
        {
            IsochronousPointer pointer = new(new(buffer + ((uint)page << 12)));
            pointer = page switch
            {
                0 => pointer with { DeviceAddress = device, Endpoint = endpoint },
                1 => pointer with { MaxPacketSize = 1024 },
                2 => pointer with { Multiplier = (length + 1023) / 1024 },
                _ => pointer,
            };
            BitConverter.TryWriteBytes(bytes.AsSpan(IsochronousTransferDescriptor.PagesOffset + (4 * page)), pointer.Raw.Value);
        }

        Assert.True(_machine.Cpu.TryWrite(new(address), bytes));
    }

    private PaperQueue? FirstQueue(int frame)
    {
        foreach (PaperQueue queue in _interrupts)
        {
            if (frame % queue.Period == queue.Phase)
                return queue;
        }

        return null;
    }

    private IEnumerable<PaperQueue> QueuesOf(int frame) => _interrupts.Where(queue => frame % queue.Period == queue.Phase);

    // From the back to the front, so that nothing points to what does not point on yet.
    private void RelinkFrames()
    {
        foreach (PaperQueue queue in _interrupts.AsEnumerable().Reverse())
        {
            PaperQueue? next = _interrupts.SkipWhile(other => other != queue).Skip(1).FirstOrDefault(other => queue.Phase % other.Period == other.Phase);
            Write(queue.Address, next is null ? End : new() { Type = LinkType.QueueHead, Address = next.Address });
        }

        (int first, int last) = (Frames, -1);
        for (int frame = 0; frame < Frames; frame++)
        {
            LinkPointer next = FirstQueue(frame) is { } queue ? new() { Type = LinkType.QueueHead, Address = queue.Address } : End;
            List<(LinkType Type, uint Address)>? own = _isochronous.GetValueOrDefault(frame);
            for (int index = (own?.Count ?? 0) - 1; index >= 0; index--)
            {
                Write(own![index].Address, next);
                next = new() { Type = own[index].Type, Address = own[index].Address };
            }

            if (_elements[frame] == next)
                continue;
            _elements[frame] = next;
            (first, last) = (Math.Min(first, frame), frame);
        }

        if (last >= first)
            Assert.True(_machine.Cpu.TryWrite(new(FrameListAt + (sizeof(uint) * (uint)first)), MemoryMarshal.AsBytes(_elements.AsSpan(first..(last + 1)))));
    }
}
