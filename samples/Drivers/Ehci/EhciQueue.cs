using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The queue of one endpoint in memory: a queue head, and the chain of transfer descriptors that it works on.</summary>
/// <remarks>
/// The queue always ends in an inactive descriptor, the tail, at which the controller waits. New work is written
/// behind the tail and becomes visible in one store, when the tail itself turns active; the overlay of a queue
/// head that runs is never touched.
///
/// <code>
/// queue head -> first (was the tail) -> second -> ... -> last -> new tail (inactive)
///                  \_______ short packet ________________________/
/// </code>
/// </remarks>
internal sealed class EhciQueue
{
    private const int PageBytes = 4096;
    private const int ErrorsAllowed = 3;

    private readonly EhciMemory _memory;
    private readonly List<Element> _chain = [];
    private int _tail;
    private int _cursor;

    /// <summary>A queue that waits for work, on no list yet. A large slot and a small one must be reserved.</summary>
    /// <param name="memory">Where it lies.</param>
    /// <param name="endpoint">Which endpoint.</param>
    /// <param name="capabilities">When it is served, and through which hub.</param>
    public EhciQueue(EhciMemory memory, EndpointCharacteristics endpoint, EndpointCapabilities capabilities)
    {
        _memory = memory;
        MaxPacketSize = endpoint.MaxPacketSize;
        Offset = memory.TakeLarge();
        _tail = NewTail();
        memory.Write(Offset, new QueueHead
        {
            Horizontal = new() { Terminate = true },
            Characteristics = endpoint,
            Capabilities = capabilities,
            Overlay = Waiting,
        });
    }

    /// <summary>Bytes in a full packet.</summary>
    public int MaxPacketSize { get; }

    /// <summary>Where the queue head is in the shared memory.</summary>
    public int Offset { get; }

    /// <summary>Data bytes that the last transfer moved so far.</summary>
    public int BytesMoved { get; private set; }

    /// <summary>When it is served, where it stands in the periodic list.</summary>
    public PeriodicPlace Place { get; init; }

    /// <summary>A pointer to it.</summary>
    public LinkPointer Link => new() { Type = LinkType.QueueHead, Address = _memory.Address(Offset) };

    /// <summary>The overlay of a queue that waits at its tail, with the data toggle at the start.</summary>
    private TransferDescriptor Waiting => new() { Next = LinkTo(_tail), AlternateNext = new() { Terminate = true } };

    /// <summary>A queue head for the head of the asynchronous list: it serves no endpoint, and its overlay is halted for ever.</summary>
    public static EhciQueue Head(EhciMemory memory)
    {
        EhciQueue head = new(
            memory, new() { ReclamationHead = true, Speed = EndpointSpeed.High, MaxPacketSize = 64 }, new() { Multiplier = 1 });
        memory.Write(head.Offset + QueueHead.OverlayOffset + TransferDescriptor.TokenOffset, new TransferToken { Halted = true });
        head.PointTo(head);
        return head;
    }

    /// <summary>Sets the horizontal link.</summary>
    public void PointTo(EhciQueue next) => PointTo(next.Link);

    /// <summary>Sets the horizontal link.</summary>
    public void PointTo(LinkPointer next) => _memory.Write(Offset, next);

    /// <summary>How many small slots a chain may take at most, the new tail included.</summary>
    public static int SlotsFor(ReadOnlySpan<Stage> stages)
    {
        // A descriptor holds at least four pages, less what is no full packet.
        const int BytesMin = 4 * PageBytes - 1024;
        int slots = 1;
        foreach (Stage stage in stages)
            slots += 1 + stage.Length / BytesMin;
        return slots;
    }

    /// <summary>Hands a chain to the controller.</summary>
    /// <param name="stages">At least one; a stage of data longer than a descriptor holds is spread over several.</param>
    public void Submit(ReadOnlySpan<Stage> stages)
    {
        BytesMoved = 0;
        _cursor = 0;
        _chain.Clear();
        foreach (Stage stage in stages)
            Spread(stage);

        // The first descriptor lies where the queue waits; the others, and the tail behind them, are new.
        for (int index = 0; index < _chain.Count; index++)
            _chain[index] = _chain[index] with { Offset = index == 0 ? _tail : _memory.TakeSmall() };
        _tail = NewTail();

        // From the last to the first: when the first turns active, everything behind it is in place.
        for (int index = _chain.Count - 1; index >= 0; index--)
            WriteDescriptor(index);
    }

    /// <summary>Looks at what the controller wrote back.</summary>
    /// <returns><see cref="TransferStatus.None"/> while it is not done.</returns>
    public TransferStatus Examine()
    {
        while (_cursor < _chain.Count)
        {
            Element element = _chain[_cursor];
            TransferToken token = _memory.Read<TransferToken>(element.Offset + TransferDescriptor.TokenOffset);
            if (token.Active)
                return TransferStatus.None;
            int missing = Math.Min(token.TotalBytes, element.Length);
            if (element.IsData)
                BytesMoved += element.Length - missing;
            if (token.Halted)
                return Classify(token);
            _cursor = element.IsData && missing != 0 ? AfterShortPacket() : _cursor + 1;
        }

        return TransferStatus.Completed;
    }

    /// <summary>Gives the descriptors of a transfer back that ended well; the queue waits at the tail.</summary>
    public void Retire()
    {
        foreach (Element element in _chain)
            _memory.ReturnSmall(element.Offset);
        _chain.Clear();
    }

    /// <summary>Empties the queue.</summary>
    /// <remarks>The queue head must be off the schedule: the overlay is the controller's as long as it can reach it.</remarks>
    /// <param name="keepsToggle">Whether the data toggle stays as it is; else it starts anew, as the device's does when its halt is cleared.</param>
    public void Repair(bool keepsToggle)
    {
        if (keepsToggle)
            CountUnfinished();
        Retire();
        TransferToken last = _memory.Read<TransferToken>(Offset + QueueHead.OverlayOffset + TransferDescriptor.TokenOffset);
        TransferDescriptor waiting = Waiting with { Token = new() { DataToggle = keepsToggle && last.DataToggle } };
        _memory.Write(Offset + QueueHead.OverlayOffset, waiting);
    }

    /// <summary>Gives the structures back; the queue head must be off the schedule.</summary>
    public void Release()
    {
        Retire();
        _memory.ReturnSmall(_tail);
        _memory.ReturnLarge(Offset);
    }

    // What was moved of a descriptor that is not done stands in the overlay alone.
    private void CountUnfinished()
    {
        if (Examine() != TransferStatus.None || !_chain[_cursor].IsData)
            return;
        QueueHead head = _memory.Read<QueueHead>(Offset);
        if (head.Current.Address == _memory.Address(_chain[_cursor].Offset) && head.Overlay.Token.Active)
            BytesMoved += _chain[_cursor].Length - Math.Min(head.Overlay.Token.TotalBytes, _chain[_cursor].Length);
    }

    private static TransferStatus Classify(TransferToken token) => token switch
    {
        { Babble: true } => TransferStatus.Babble,

        // A stall halts the queue at once; errors halt it when they have used up their count.
        { ErrorCount: not 0 } => TransferStatus.Stalled,
        { BufferError: true } => TransferStatus.BufferError,
        _ => TransferStatus.NoAnswer,
    };

    private void Spread(Stage stage)
    {
        Iova address = stage.Address;
        int left = stage.Length;
        do
        {
            int room = TransferDescriptor.BytesMax - address.PageOffset;
            int step = Math.Min(left, room);

            // A packet must not be split between two descriptors: the first would see a short packet, or babble.
            if (step < left)
                step -= step % MaxPacketSize;
            _chain.Add(new(0, stage.Pid, address, step, stage.Toggle, stage.IsData));
            left -= step;
            if (left != 0)
                address += (ulong)step;
        }
        while (left != 0);
    }

    private void WriteDescriptor(int index)
    {
        Element element = _chain[index];
        bool isLast = index == _chain.Count - 1;
        int alternate = AfterShortPacket();
        ulong Page(int number) => number == 0 ? element.Address.Value : (element.Address.Page + (ulong)number) * PageBytes;
        BufferPointer Low(int number) => new(new((uint)Page(number)));
        Bits32 High(int number) => new((uint)(Page(number) >> 32));

        _memory.Write(element.Offset, new TransferDescriptor(
            Next: LinkTo(isLast ? _tail : _chain[index + 1].Offset),
            AlternateNext: LinkTo(alternate == _chain.Count ? _tail : _chain[alternate].Offset),
            Token: default,
            Low(0), Low(1), Low(2), Low(3), Low(4),
            High(0), High(1), High(2), High(3), High(4)));

        // The token last: it is what the controller goes by.
        _memory.Write(element.Offset + TransferDescriptor.TokenOffset, new TransferToken
        {
            Active = true,
            PacketId = element.Pid,
            ErrorCount = ErrorsAllowed,
            InterruptOnComplete = isLast,
            TotalBytes = element.Length,
            DataToggle = element.Toggle,
        });
    }

    /// <summary>Where the chain goes on after a short packet: at the status stage of a control transfer, else behind its end.</summary>
    private int AfterShortPacket() => _chain[^1].IsData ? _chain.Count : _chain.Count - 1;

    private int NewTail()
    {
        int tail = _memory.TakeSmall();
        TransferLink nowhere = new() { Terminate = true };
        _memory.Write(tail, new TransferDescriptor { Next = nowhere, AlternateNext = nowhere });
        return tail;
    }

    private TransferLink LinkTo(int offset) => new() { Address = _memory.Address(offset) };

    /// <summary>One piece of a transfer.</summary>
    /// <param name="Pid">The kind of its packets.</param>
    /// <param name="Address">The device address of the first byte.</param>
    /// <param name="Length">Bytes; may be 0.</param>
    /// <param name="Toggle">Whether it starts with DATA1, where descriptors bring the toggle.</param>
    /// <param name="IsData">Whether its bytes are data, which may come short.</param>
    internal readonly record struct Stage(PacketId Pid, Iova Address, int Length, bool Toggle, bool IsData);

    private readonly record struct Element(int Offset, PacketId Pid, Iova Address, int Length, bool Toggle, bool IsData);
}
