using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;
using What = Dma.Properties.VirtualIommuProgramTests.What;

namespace Dma.Properties;

/// <summary>Two guests with remapping units of their own, two devices in one and one in the other; every byte of both is compared with a model.</summary>
internal sealed class VirtualIommuWorld : IDisposable
{
    private const ulong PageSize = 4096;
    private const ulong GuestBytes = 64 * PageSize;
    private const ulong LastTable = 15;
    private const ulong QueuePage = 16;
    private const int Domains = 2;

    // Below the entries that programs edit: 0, 1 and 511 of each table.
    private static readonly ulong[] s_indices = [0, 1, 511];
    private static readonly byte[] s_guestBytes = Bytes(1);
    private static readonly byte[] s_neighbourBytes = Bytes(0x80);

    private readonly Host _host;
    private readonly DmaDevice[] _devices = [new(), new(), new()];
    private readonly SourceId[] _places = [new(0, 1, 0), new(0, 2, 0), new(0, 1, 0)];
    private readonly VirtualMachine _guest;
    private readonly VirtualMachine _neighbour;
    private readonly VirtualIommu _iommu;
    private readonly VirtualIommuModel _model;
    private readonly ulong[] _addresses;
    private readonly int _levels;
    private readonly bool[] _isAssigned = [true, true];
    private ulong _tail;
    private uint _waits;
    private byte _pattern;

    public VirtualIommuWorld(HardwareProfile profile)
    {
        _host = new(new() { MemoryBytes = 16 << 20, VmmBytes = 4 << 20, Profile = profile });
        for (int device = 0; device < _devices.Length; device++)
            _host.Pci.Add(_devices[device], device + 1);
        _host.Boot();
        _guest = _host.CreateMachine("guest", GuestBytes);
        _neighbour = _host.CreateMachine("neighbour", GuestBytes);
        _guest.PinnedPagesMax = 16_384;
        _iommu = _guest.AddIommu();
        _ = _neighbour.AddIommu();
        _levels = _iommu.Profile.Supports(AddressWidth.Bits48) ? 4 : 3;
        _addresses = [.. Addresses(_levels)];
        _model = new(_iommu.Profile, GuestBytes, [_places[0], _places[1]], _addresses);
        Assert.True(_neighbour.Cpu.TryWrite(new(0), s_neighbourBytes));
        Write(0, s_guestBytes);
        Write(0, new byte[(QueuePage + 1) * PageSize]);
        for (int device = 0; device < 3; device++)
            Assign(device);
        Begin();
    }

    /// <summary>Whether the guest keeps quiet about pages that it should invalidate: as if its VMM took no notice.</summary>
    public bool ForgetsPages { get; init; }

    private bool UsesQueue => _iommu.Profile.ExtendedCapabilities.QueuedInvalidation;

    public void Dispose()
    {
        _model.Dispose();
        _host.Dispose();
    }

    public void Take(VirtualIommuProgramTests.Step step)
    {
        switch (step.What)
        {
            case What.Edit:
                ulong table = 4 + (step.Place % 3 == 0 ? (ulong)step.Place % (LastTable - 3) : (ulong)step.Place % 4);
                Edit((table * PageSize) + (s_indices[step.Place / 16 % 3] * 8), Entry(step));
                break;
            case What.EditContext:
                EditContext(step);
                break;
            case What.InvalidateIotlb:
                InvalidateIotlb(step);
                break;
            case What.InvalidateContext:
                InvalidateContext((ContextGranularity)(1 + (step.Kind % 3)), new((ushort)(1 + (step.Value % Domains))), _places[step.Device]);
                break;
            case What.InvalidateAll:
                InvalidateContext(ContextGranularity.Global, default, default);
                InvalidateIotlb(IotlbGranularity.Global, default, 0, 0);
                break;
            case What.Write or What.Read:
                Move(step);
                break;
            case What.SetRoot:
                Store(RegisterOffsets.RootTableAddress, 8, (ulong)(step.Value % 2) * PageSize);
                Command(new() { SetRootTablePointer = true, TranslationEnable = _model.IsTranslating, QueuedInvalidationEnable = UsesQueue });
                _model.Command((ulong)(step.Value % 2) * PageSize, _model.IsTranslating);
                break;
            case What.Translate:
                bool on = !_model.IsTranslating || step.Kind < 15;
                Command(new() { TranslationEnable = on, QueuedInvalidationEnable = UsesQueue });
                _model.Command(_model.Root, on);
                break;
            default:
                Reassign(step.Device);
                break;
        }
    }

    public void End()
    {
        CheckMemory();
        _host.Loop.Run(() => _host.Destroy(_guest).AsTask());
        Assert.Equal(GuestBytes / PageSize, _host.Frames.Pins);
        _host.Loop.Run(() => _host.Destroy(_neighbour).AsTask());
        Assert.Equal(0ul, _host.Frames.Pins);
    }

    // Something that works, for programs to break: two domains with the same tables, on.
    private void Begin()
    {
        Write(0, new RootEntry { Present = true, ContextTable = new(2 * PageSize) }.Raw);
        for (int device = 0; device < 2; device++)
        {
            ContextEntry context = new()
            {
                Present = true,
                SecondStageTable = new((8 - (ulong)_levels) * PageSize),
                AddressWidth = (AddressWidth)(_levels - 2),
                DomainId = new((ushort)(1 + device)),
            };
            Write((2 * PageSize) + (16ul * _places[device].DeviceFunction), context.Raw);
        }

        for (ulong table = 4; table <= 7; table++)
        {
            foreach (ulong index in s_indices)
                Write((table * PageSize) + (8 * index), new Bits128(((table == 7 ? 32 + index : table + 1) * PageSize) | 3, 0));
        }

        if (UsesQueue)
        {
            Store(RegisterOffsets.InvalidationQueueAddress, 8, QueuePage * PageSize);
            Command(new() { QueuedInvalidationEnable = true });
        }

        Command(new() { SetRootTablePointer = true, QueuedInvalidationEnable = UsesQueue });
        Command(new() { TranslationEnable = true, QueuedInvalidationEnable = UsesQueue });
        _model.Command(0, translate: true);
    }

    private static IEnumerable<ulong> Addresses(int levels)
    {
        for (int number = 0; number < 12; number++)
        {
            ulong address = 0;
            for (int level = 1; level <= Math.Min(levels, 4); level++)
                address |= s_indices[(number >> (level - 1)) % (level < 3 ? 3 : 2)] << (12 + (9 * (level - 1)));
            yield return address;
        }
    }

    private static byte[] Bytes(int salt)
    {
        byte[] bytes = new byte[GuestBytes];
        for (int at = 0; at < bytes.Length; at += 8)
            BitConverter.TryWriteBytes(bytes.AsSpan(at), ((ulong)at * 0x9E3779B97F4A7C15) + (ulong)salt);
        return bytes;
    }

    // Mostly what leads somewhere; some of it anything.
    private static ulong Entry(VirtualIommuProgramTests.Step step)
    {
        ulong rights = (step.Bits & 0x30) == 0 ? step.Bits & 3 : 3;
        ulong table = 4 + (step.Value % 3 == 0 ? (ulong)step.Value % (LastTable - 3) : (ulong)step.Value % 4);
        ulong page = (ulong)step.Value % (GuestBytes / PageSize);
        ulong large = (ulong)(step.Value & 1) << 21;
        return step.Kind switch
        {
            < 7 => (table * PageSize) | rights,
            < 12 => (page * PageSize) | rights,
            < 14 => large | 0x80 | rights,
            14 => 0x80 | rights,
            15 => 0,
            16 => ((GuestBytes + ((ulong)step.Value * PageSize)) & 0xFF_FFFF_F000) | rights,
            17 => (page * PageSize) | rights | (1ul << 62),
            18 => 0xFEE0_0000 | rights,
            _ => step.Bits,
        };
    }

    private void EditContext(VirtualIommuProgramTests.Step step)
    {
        ulong root = (ulong)(step.Place & 1) * PageSize;
        ulong contexts = (2 + ((ulong)(step.Place >> 1) & 1)) * PageSize;
        ulong rootEntry = step.Kind == 19 ? step.Bits : contexts | (step.Kind == 18 ? 0ul : 1);
        Edit(root, rootEntry);
        ContextEntry entry = new()
        {
            Present = step.Kind != 17,
            FaultProcessingDisable = (step.Bits & 7) == 0,
            TranslationType = step.Kind == 16 ? TranslationType.PassThrough : TranslationType.UntranslatedOnly,
            SecondStageTable = new((4 + ((ulong)step.Value % (LastTable - 3))) * PageSize),
            AddressWidth = (AddressWidth)(step.Kind == 15 ? step.Bits & 7 : (ulong)_levels - 2),
            DomainId = new((ushort)(1 + (step.Value % Domains))),
        };
        ulong place = contexts + (16ul * _places[step.Device].DeviceFunction);
        Edit(place + 8, entry.Raw.Word1);
        Edit(place, entry.Raw.Word0);
    }

    private void Edit(ulong address, ulong value)
    {
        Write(address, BitConverter.GetBytes(value));
        _model.Changed();
    }

    private void Write(ulong address, Bits128 entry)
    {
        Write(address, BitConverter.GetBytes(entry.Word0));
        Write(address + 8, BitConverter.GetBytes(entry.Word1));
    }

    private void Write(ulong address, ReadOnlySpan<byte> bytes)
    {
        Assert.True(_guest.Cpu.TryWrite(new(address), bytes));
        Assert.True(_model.Memory.TryWrite(new(address), bytes));
    }

    private void Store(int offset, int width, ulong value) => _guest.Cpu.Store(VirtualIommu.Registers + (ulong)offset, width, value);

    private ulong Load(int offset, int width) => _guest.Cpu.Load(VirtualIommu.Registers + (ulong)offset, width);

    // As a driver waits: until the status says so.
    private void Command(GlobalCommand command)
    {
        Store(RegisterOffsets.GlobalCommand, 4, command.Raw.Value);
        Wait(() =>
        {
            GlobalStatus status = new(new((uint)Load(RegisterOffsets.GlobalStatus, 4)));
            return status.TranslationEnabled == command.TranslationEnable
                && status.QueuedInvalidationEnabled == command.QueuedInvalidationEnable
                && (!command.SetRootTablePointer || status.RootTablePointerSet);
        });
    }

    private void Wait(Func<bool> done)
    {
        for (int tries = 0; !done(); tries++)
        {
            Assert.True(tries < 10_000, "The unit does not answer.");
            _host.Loop.RunFor(1000);
        }
    }

    private void InvalidateIotlb(VirtualIommuProgramTests.Step step)
    {
        IotlbGranularity granularity = step.Kind < 13 ? IotlbGranularity.Page : step.Kind < 17 ? IotlbGranularity.Domain : IotlbGranularity.Global;
        if (!_iommu.Profile.Capabilities.PageSelectiveInvalidation && granularity == IotlbGranularity.Page)
            granularity = IotlbGranularity.Domain;
        int mask = (int)(step.Bits % 10);
        ulong address = _addresses[step.Place % _addresses.Length] >> (12 + mask) << (12 + mask);
        InvalidateIotlb(granularity, new((ushort)(1 + (step.Value % Domains))), address, mask);
    }

    private void InvalidateIotlb(IotlbGranularity granularity, DomainId domain, ulong address, int mask)
    {
        if (!ForgetsPages || granularity != IotlbGranularity.Page)
        {
            if (UsesQueue)
            {
                Submit(new IotlbDescriptor { Type = InvalidationDescriptorType.Iotlb, Granularity = granularity, DomainId = domain, Address = new(address), AddressMask = mask }.Raw);
            }
            else
            {
                int offset = RegisterOffsets.IotlbInvalidate(_iommu.Profile.ExtendedCapabilities);
                Store(offset, 8, new IotlbInvalidate { Invalidate = true, RequestedGranularity = granularity, DomainId = domain }.Raw.Value);
                Wait(() => Load(offset, 8) >> 63 == 0);
            }
        }

        _model.InvalidateIotlb(granularity, domain, address, PageSize << mask);
    }

    private void InvalidateContext(ContextGranularity granularity, DomainId domain, SourceId source)
    {
        if (UsesQueue)
        {
            Submit(new ContextCacheDescriptor { Type = InvalidationDescriptorType.ContextCache, Granularity = granularity, DomainId = domain, Source = source }.Raw);
        }
        else
        {
            Store(RegisterOffsets.ContextCommand, 8, new ContextCommand { Invalidate = true, RequestedGranularity = granularity, DomainId = domain, Source = source }.Raw.Value);
            Wait(() => Load(RegisterOffsets.ContextCommand, 8) >> 63 == 0);
        }

        _model.InvalidateContext(granularity, domain, source);
    }

    // A descriptor and a wait for it.
    private void Submit(Bits128 descriptor)
    {
        const ulong status = (QueuePage * PageSize) + 0xFF0;
        _waits++;
        WaitDescriptor wait = new() { Type = InvalidationDescriptorType.Wait, StatusWrite = true, StatusData = _waits, StatusAddress = new(status + 8) };
        foreach (Bits128 raw in (Bits128[])[descriptor, wait.Raw])
        {
            Write((QueuePage * PageSize) + _tail, BitConverter.GetBytes(raw.Word0));
            Write((QueuePage * PageSize) + _tail + 8, BitConverter.GetBytes(raw.Word1));
            _tail = (_tail + 16) % 0x800;
        }

        Store(RegisterOffsets.InvalidationQueueTail, 8, _tail);
        byte[] found = new byte[4];
        Wait(() => _guest.Cpu.TryRead(new(status + 8), found) && BitConverter.ToUInt32(found) == _waits);
        Write(status + 8, found);
        _model.Changed();
    }

    private void Move(VirtualIommuProgramTests.Step step)
    {
        if (!_isAssigned[step.Device])
            return;
        int at = step.Place % _addresses.Length;
        int offset = (int)(step.Bits & 0xFF8);
        byte[] data = new byte[8];
        Array.Fill(data, ++_pattern);
        bool write = step.What == What.Write;
        DmaStatus status = write
            ? _devices[step.Device].Write(_addresses[at] + (ulong)offset, data)
            : _devices[step.Device].Read(_addresses[at] + (ulong)offset, data);
        List<VirtualIommuModel.Answer> possible = [.. _model.Possible(step.Device, at)];
        List<ulong?> targets = [.. possible.Select(answer => write ? answer.Write : answer.Read).Distinct()];
        if (status != DmaStatus.Success)
        {
            Assert.Contains(null, targets);
            CheckFault(step, at, write, [.. targets.OfType<ulong>()]);
            return;
        }

        // Of all that is possible, one is what happened.
        byte[] there = new byte[8];
        int landed = 0;
        foreach (ulong target in targets.OfType<ulong>())
        {
            PhysicalAddress place = new(target + (ulong)offset);
            Assert.True(_guest.Cpu.TryRead(new(place.Value), there));
            if (!there.AsSpan().SequenceEqual(data))
                continue;
            landed++;
            if (write)
                Assert.True(_model.Memory.TryWrite(place, data));
        }

        Assert.True(landed > 0, $"{step} at {_addresses[at]:X}h went where no table led it.");
        if (write)
            _model.Changed();
    }

    // What the guest's unit records is what the request was, for a reason that the tables give or gave.
    private void CheckFault(VirtualIommuProgramTests.Step step, int at, bool write, List<ulong> others)
    {
        _host.Loop.RunFor(1_000_000);
        FaultStatus status = new(new((uint)Load(RegisterOffsets.FaultStatus, 4)));
        if (!status.PrimaryPendingFault)
            return;
        int offset = RegisterOffsets.FaultRecord(_iommu.Profile.Capabilities, status.FaultRecordIndex);
        FaultRecord record = new(new(Load(offset, 8), Load(offset + 8, 8)));
        Assert.True(_model.IsTranslating);
        Assert.Equal((_places[step.Device], _addresses[at], write), (record.Source, record.Address.Value, !record.Type1));
        WalkTranscript story = _model.Explain(_places[step.Device], _addresses[at], write);
        FaultReason expected = story.Fault != FaultReason.None ? story.Fault : write ? FaultReason.WriteNotPermitted : FaultReason.ReadNotPermitted;
        Assert.Equal(expected, record.Reason);
        Assert.True(story.Reported);
        Assert.True(!story.Passes || others.Count != 0 || story.Target.Value < GuestBytes);
        Store(offset + 8, 8, 1ul << 63);
        Store(RegisterOffsets.FaultStatus, 4, status.Raw.Value);
    }

    private void Reassign(int device)
    {
        Assignment assignment = _host.AssignmentOf(_devices[device].Source);
        if (_isAssigned[device])
            Assert.True(_host.Loop.Run(() => assignment.TakeBack().AsTask()).IsDone);
        else
            Assign(device);
        _isAssigned[device] = !_isAssigned[device];
        if (_isAssigned[0] || _isAssigned[1])
            return;
        Assert.Equal(0ul, _guest.PinnedPages);
    }

    private void Assign(int device)
    {
        VirtualMachine machine = device == 2 ? _neighbour : _guest;
        Assert.Equal(AssignmentResult.Done, _host.Loop.Run(() => _host.AssignmentOf(_devices[device].Source).Assign(machine, _places[device]).AsTask()));
        machine.Pci.WriteConfiguration(_places[device], PciOffset.Command, 2, (uint)PciCommand.BusMaster);
    }

    private void CheckMemory()
    {
        CheckBytes(_neighbour, s_neighbourBytes);
        byte[] expected = new byte[GuestBytes];
        Assert.True(_model.Memory.TryRead(new(0), expected));
        CheckBytes(_guest, expected);
    }

    private static void CheckBytes(VirtualMachine machine, byte[] expected)
    {
        byte[] found = new byte[GuestBytes];
        Assert.True(machine.Cpu.TryRead(new(0), found));
        Assert.True(expected.AsSpan().SequenceEqual(found), $"Memory of {machine} changed.");
    }
}
