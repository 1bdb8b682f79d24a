using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A remapping unit over a little memory, and software that puts tables there and drives the registers by hand.</summary>
internal sealed class RemappingWorld : IDisposable, IInterruptSink, IRemappingObserver
{
    public const ulong RootTable = 0x1000;
    public const ulong Queue = 0x2000;
    public const ulong Status = 0x3000;
    private ulong _nextFrame = 0x4000;
    private ulong _tail;
    private bool _wide;
    private uint _ticket;

    public RemappingWorld(HardwareProfile profile, ulong memoryBytes = 64 << 20, EventLoop? loop = null)
        : this(profile, new PhysicalMemory(memoryBytes), loop)
    {
    }

    public RemappingWorld(HardwareProfile profile, PhysicalMemory memory, EventLoop? loop = null)
    {
        Memory = memory;
        Unit = new(Memory, this, profile, loop) { Observer = this };
    }

    public RemappingWorld(string profile)
        : this(HardwareProfile.Named(profile))
    {
    }

    public static SourceId Device { get; } = new(0, 4, 0);

    public PhysicalMemory Memory { get; }

    public RemappingUnit Unit { get; }

    public HardwareProfile Profile => Unit.Profile;

    public RemappedPort Port => Unit.Open(Device);

    public List<MessageInterrupt> Messages { get; } = [];

    public List<(RemappingFault Fault, FaultDisposition Disposition)> Faults { get; } = [];

    /// <summary>The blocks of interrupt remapping entries that were invalidated.</summary>
    public List<(int First, int Count)> InterruptEntries { get; } = [];

    public List<StaleUse> StaleUses { get; } = [];

    public ulong FaultRecords => (ulong)RegisterOffsets.FaultRecord(Profile.Capabilities, 0);

    public void Dispose() => Memory.Dispose();

    public void Deliver(MessageInterrupt message) => Messages.Add(message);

    public void FaultDetected(in RemappingFault fault, FaultDisposition disposition) => Faults.Add((fault, disposition));

    public void InterruptEntriesInvalidated(int first, int count) => InterruptEntries.Add((first, count));

    public void StaleEntryUsed(StaleUse use) => StaleUses.Add(use);

    public ulong Read(int offset, int width = 8) => Unit.Read((ulong)offset, width);

    public void Write(int offset, ulong value, int width = 8) => Unit.Write((ulong)offset, width, value);

    public void Command(GlobalCommand command) => Write(RegisterOffsets.GlobalCommand, command.Raw.Value, 4);

    public GlobalStatus GlobalStatus => new(new(Read(RegisterOffsets.GlobalStatus, 4)));

    public FaultStatus FaultStatus => new(new(Read(RegisterOffsets.FaultStatus, 4)));

    public InvalidationQueueErrorRecord QueueError => new(new(Read(RegisterOffsets.InvalidationQueueErrorRecord)));

    public FaultRecord Record(int index)
    {
        int offset = RegisterOffsets.FaultRecord(Profile.Capabilities, index);
        return new(new(Read(offset), Read(offset + 8)));
    }

    /// <summary>Root table, queue where there is one, and translation on.</summary>
    /// <param name="mode">The mode; scalable mode has a queue of wide descriptors.</param>
    /// <param name="wide">Whether the queue has wide descriptors in any case.</param>
    public RemappingWorld Enable(TranslationTableMode mode = TranslationTableMode.Legacy, bool wide = false)
    {
        _wide = wide || mode == TranslationTableMode.Scalable;
        Write(RegisterOffsets.RootTableAddress, new RootTableAddress { Table = new(RootTable), Mode = mode }.Raw.Value);
        Command(new() { SetRootTablePointer = true });
        if (Profile.ExtendedCapabilities.QueuedInvalidation)
        {
            Write(RegisterOffsets.InvalidationQueueTail, 0);
            Write(RegisterOffsets.InvalidationQueueAddress, new InvalidationQueueAddress { Table = new(Queue), WideDescriptors = _wide }.Raw.Value);
            Command(new() { QueuedInvalidationEnable = true });
        }

        Command(new() { QueuedInvalidationEnable = GlobalStatus.QueuedInvalidationEnabled, TranslationEnable = true });
        Assert.True(GlobalStatus.TranslationEnabled);
        return this;
    }

    /// <summary>A frame of zeros.</summary>
    public PhysicalAddress Frame()
    {
        PhysicalAddress frame = new(_nextFrame);
        _nextFrame += 4096;
        return frame;
    }

    public void Put(PhysicalAddress at, ulong value) => Assert.True(Memory.TryWrite(at, value));

    public void Put(PhysicalAddress at, Bits128 value) => Assert.True(Memory.TryWrite(at, value));

    public void PutRoot(SourceId source, Bits128 entry) => Put(new(RootTable + (16ul * source.Bus)), entry);

    /// <summary>Where the context entry of a requester is; its root entry is made where there is none.</summary>
    public PhysicalAddress ContextPlace(SourceId source)
    {
        PhysicalAddress place = new(RootTable + (16ul * source.Bus));
        Assert.True(Memory.TryRead(place, out Bits128 raw));
        RootEntry root = new(raw);
        if (!root.Present)
        {
            root = new() { Present = true, ContextTable = Frame() };
            Put(place, root.Raw);
        }

        return root.ContextTable + (16ul * source.DeviceFunction);
    }

    public void PutContext(SourceId source, ContextEntry entry) => Put(ContextPlace(source), entry.Raw);

    /// <summary>A context entry with tables as deep as the profile goes.</summary>
    public ContextEntry Context(PhysicalAddress table, ushort domain = 1) => new()
    {
        Present = true,
        SecondStageTable = table,
        AddressWidth = Widest(Profile),
        DomainId = new(domain),
    };

    public static AddressWidth Widest(HardwareProfile profile) =>
        profile.Supports(AddressWidth.Bits57) ? AddressWidth.Bits57
        : profile.Supports(AddressWidth.Bits48) ? AddressWidth.Bits48
        : AddressWidth.Bits39;

    /// <summary>Puts a leaf into tables, with the tables on the way there.</summary>
    /// <returns>Where the leaf is.</returns>
    public PhysicalAddress Map(PhysicalAddress table, AddressWidth width, ulong address, SecondStageEntry leaf, int level = 1)
    {
        PhysicalAddress place = EntryPlace(table, width, address, level);
        Put(place, leaf.Raw.Value);
        return place;
    }

    /// <summary>Where the entry of an address at a level is, with the tables on the way there.</summary>
    public PhysicalAddress EntryPlace(PhysicalAddress table, AddressWidth width, ulong address, int level)
    {
        PhysicalAddress at = table;
        for (int current = (int)width + 2; ; current--)
        {
            PhysicalAddress place = at + (((address >> (12 + (9 * (current - 1)))) & 0x1FF) * 8);
            if (current == level)
                return place;
            Assert.True(Memory.TryRead(place, out ulong raw));
            SecondStageEntry entry = new(new(raw));
            if (!entry.Read && !entry.Write)
            {
                entry = new() { Read = true, Write = true, Address = Frame() };
                Put(place, entry.Raw.Value);
            }

            at = entry.Address;
        }
    }

    /// <summary>A page that may be read and written.</summary>
    public static SecondStageEntry Page(ulong frame, bool read = true, bool write = true) =>
        new() { Read = read, Write = write, Address = new(frame) };

    /// <summary>Puts a descriptor into the queue and lets the unit see it.</summary>
    public void Submit(Bits128 descriptor) => SubmitAll(new Bits256(descriptor.Word0, descriptor.Word1, 0, 0));

    /// <summary>Puts descriptors into the queue and lets the unit see them; a narrow queue takes their lower halves.</summary>
    public void SubmitAll(params ReadOnlySpan<Bits256> descriptors)
    {
        foreach (Bits256 descriptor in descriptors)
        {
            Put(new(Queue + _tail), new Bits128(descriptor.Word0, descriptor.Word1));
            if (_wide)
                Put(new(Queue + _tail + 16), new Bits128(descriptor.Word2, descriptor.Word3));
            _tail = (_tail + (_wide ? 32ul : 16)) % 4096;
        }

        Write(RegisterOffsets.InvalidationQueueTail, _tail);
    }

    /// <summary>Invalidates the IOTLB by the queue where there is one, and by register else, and sees that it was done.</summary>
    public void InvalidateIotlb(IotlbGranularity granularity, ushort domain = 0, ulong address = 0, int mask = 0)
    {
        if (GlobalStatus.QueuedInvalidationEnabled)
        {
            Submit(new IotlbDescriptor
            {
                Type = InvalidationDescriptorType.Iotlb,
                Granularity = granularity,
                DomainId = new(domain),
                Address = new(address),
                AddressMask = mask,
            }.Raw);
            Wait();
            return;
        }

        int offset = RegisterOffsets.IotlbInvalidate(Profile.ExtendedCapabilities);
        Write(
            RegisterOffsets.InvalidateAddress(Profile.ExtendedCapabilities),
            new InvalidateAddress { Address = new(address), AddressMask = mask }.Raw.Value);
        Write(offset, new IotlbInvalidate { RequestedGranularity = granularity, DomainId = new(domain), Invalidate = true }.Raw.Value);
        IotlbInvalidate done = new(new(Read(offset)));
        Assert.False(done.Invalidate);
        Assert.NotEqual(IotlbGranularity.Reserved, done.ActualGranularity);
    }

    /// <summary>Invalidates the context cache by the queue where there is one, and by register else, and sees that it was done.</summary>
    public void InvalidateContext(ContextGranularity granularity, ushort domain = 0, SourceId source = default, int functionMask = 0)
    {
        if (GlobalStatus.QueuedInvalidationEnabled)
        {
            Submit(new ContextCacheDescriptor
            {
                Type = InvalidationDescriptorType.ContextCache,
                Granularity = granularity,
                DomainId = new(domain),
                Source = source,
                FunctionMask = functionMask,
            }.Raw);
            Wait();
            return;
        }

        Write(RegisterOffsets.ContextCommand, new ContextCommand
        {
            RequestedGranularity = granularity,
            DomainId = new(domain),
            Source = source,
            FunctionMask = functionMask,
            Invalidate = true,
        }.Raw.Value);
        ContextCommand done = new(new(Read(RegisterOffsets.ContextCommand)));
        Assert.False(done.Invalidate);
        Assert.NotEqual(ContextGranularity.Reserved, done.ActualGranularity);
    }

    /// <summary>Waits by a status that nobody used before.</summary>
    public void Wait()
    {
        _ticket++;
        Submit(new WaitDescriptor
        {
            Type = InvalidationDescriptorType.Wait,
            StatusWrite = true,
            StatusData = _ticket,
            StatusAddress = new(Status),
        }.Raw);
        Assert.True(Memory.TryRead(new PhysicalAddress(Status), out uint done));
        Assert.Equal(_ticket, done);
    }

    /// <summary>The one fault since the last time, with what became of it.</summary>
    public (RemappingFault Fault, FaultDisposition Disposition) TakeFault()
    {
        var fault = Assert.Single(Faults);
        Faults.Clear();
        return fault;
    }

    /// <summary>The one use of what is stale since the last time.</summary>
    public StaleUse TakeStaleUse()
    {
        StaleUse use = Assert.Single(StaleUses);
        StaleUses.Clear();
        return use;
    }

    public ulong Get(PhysicalAddress at)
    {
        Assert.True(Memory.TryRead(at, out ulong value));
        return value;
    }
}
