using System.Buffers.Binary;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Looks at each interrupt of a shared controller: what it tells of must be there already (U3), a status in the memory of the guest, or a notice for the VMM.</summary>
/// <remarks>Where an interrupt has another reason as well, such as a port that changed, nobody can tell which of them it is for; it proves nothing.</remarks>
internal sealed class InterruptWatch
{
    private const ulong MessagesStart = 0xFEE0_0000;
    private const ulong MessagesEnd = 0xFEF0_0000;
    private const uint Capabilities = 0x20;
    private const uint Causes = 0x3F;
    private const int TransferEndBytes = 8;
    private const int SlotBytes = 4;

    private readonly Dictionary<SourceId, int> _ends = [];

    /// <summary>The controller, once there is one.</summary>
    public SharedEhciController? Controller { get; set; }

    /// <summary>Whether ends of transfers come into memory after the interrupt that tells of them, as on a bus that lets one overtake the other.</summary>
    public bool IsLate { get; init; }

    /// <summary>Interrupts for ends of transfers, and those of the VMM for notices.</summary>
    public (int Transfers, int Notices) Seen { get; private set; }

    /// <summary>Interrupts that came before what they tell of.</summary>
    public int Premature { get; private set; }

    /// <summary>Sees the requests that go through a fabric.</summary>
    public IDmaFabric Around(IDmaFabric fabric) => new WrappedFabric(fabric, port => new Port(this, port));

    private static bool IsMessage(Iova address) => address.Value is >= MessagesStart and < MessagesEnd;

    // A qTD, or a slot of an iTD, that is done and of which its driver wants to know.
    private static bool IsEnd(ReadOnlySpan<byte> written) => written.Length switch
    {
        TransferEndBytes => new TransferToken(new(BinaryPrimitives.ReadUInt32LittleEndian(written))) is { Active: false, InterruptOnComplete: true },
        SlotBytes => new IsochronousSlot(new(BinaryPrimitives.ReadUInt32LittleEndian(written))) is { Active: false, InterruptOnComplete: true },
        _ => false,
    };

    private void NoteMessage(SourceId source)
    {
        if (Controller is not { } controller)
            return;
        if (source == controller.Management.Source)
        {
            bool isThere = (uint)controller.Management.ReadBar(0, EhciManagementOffsets.Notice, 4) >> 31 != 0;
            (Seen, Premature) = ((Seen.Transfers, Seen.Notices + 1), Premature + (isThere ? 0 : 1));
            return;
        }

        PciFunction set = controller.Interfaces.First(face => face.Source == source);
        uint status = (uint)set.ReadBar(0, Capabilities + EhciOperationalOffsets.UsbStatus, 4) & Causes;
        if (status != StatusBits.Transfer)
        {
            Premature += status == 0 ? 1 : 0;
            return;
        }

        Seen = (Seen.Transfers + 1, Seen.Notices);
        Premature += _ends.GetValueOrDefault(source) == 0 ? 1 : 0;
        _ends[source] = 0;
    }

    private sealed class Port(InterruptWatch watch, IDmaPort inner) : IDmaPort
    {
        private readonly List<(Iova Address, byte[] Bytes, DmaAttributes Attributes)> _late = [];

        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default) => inner.Read(address, destination, attributes);

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            if (IsMessage(address))
            {
                watch.NoteMessage(Source);
                DmaStatus sent = inner.Write(address, source, attributes);
                foreach ((Iova at, byte[] bytes, DmaAttributes how) in _late)
                    _ = inner.Write(at, bytes, how);
                _late.Clear();
                return sent;
            }

            if (!IsEnd(source))
                return inner.Write(address, source, attributes);
            if (watch.IsLate)
            {
                _late.Add((address, source.ToArray(), attributes));
                return DmaStatus.Success;
            }

            watch._ends[Source] = watch._ends.GetValueOrDefault(Source) + 1;
            return inner.Write(address, source, attributes);
        }
    }
}
