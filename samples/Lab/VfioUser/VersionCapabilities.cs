using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Dma.Lab;

/// <summary>The capabilities that a client sends with its version, and what of them is offered here (vfio-user, VERSION).</summary>
/// <remarks>
/// An answer names no capability that the client did not name. A separate socket for messages to the client, and
/// migration, are passed over in silence, which means that there is none.
/// </remarks>
internal sealed class VersionCapabilities
{
    /// <summary>How many descriptors one message may bring.</summary>
    public const int DescriptorsMax = 16;

    /// <summary>How many bytes one message may move.</summary>
    public const int TransferMax = 1 << 20;

    private const string Root = "capabilities";
    private const string Descriptors = "max_msg_fds";
    private const string Transfer = "max_data_xfer_size";
    private const string PageSizes = "pgsizes";
    private const string DmaMaps = "max_dma_maps";
    private const string WriteMultiple = "write_multiple";

    private readonly HashSet<string> _named = [];

    private VersionCapabilities()
    {
    }

    /// <summary>How many bytes one message to the client may move.</summary>
    public int ClientTransferMax { get; private set; } = TransferMax;

    /// <summary>Reads what a client sent; <c>false</c> where it is no such text, or a value has no meaning.</summary>
    /// <param name="text">JSON and a zero byte, or nothing.</param>
    /// <param name="capabilities">What it says.</param>
    public static bool TryRead(ReadOnlySpan<byte> text, [NotNullWhen(true)] out VersionCapabilities? capabilities)
    {
        capabilities = null;
        VersionCapabilities read = new();
        if (!text.IsEmpty)
        {
            if (text[^1] != 0)
                return false;
            try
            {
                using JsonDocument document = JsonDocument.Parse(text[..^1].ToArray());
                if (!read.TryRead(document.RootElement))
                    return false;
            }
            catch (JsonException)
            {
                return false;
            }
        }

        capabilities = read;
        return true;
    }

    /// <summary>Writes the answer: JSON and a zero byte.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        using (Utf8JsonWriter writer = new(output))
        {
            writer.WriteStartObject();
            writer.WriteStartObject(Root);
            Number(writer, Descriptors, DescriptorsMax);
            Number(writer, Transfer, TransferMax);
            Number(writer, PageSizes, (long)ClientMemory.PageBytes);
            Number(writer, DmaMaps, ClientMemory.MapsMax);
            if (_named.Contains(WriteMultiple))
                writer.WriteBoolean(WriteMultiple, true);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        output.Write("\0"u8);
    }

    private void Number(Utf8JsonWriter writer, string name, long value)
    {
        if (_named.Contains(name))
            writer.WriteNumber(name, value);
    }

    private bool TryRead(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
            return false;
        if (!root.TryGetProperty(Root, out JsonElement capabilities))
            return true;
        if (capabilities.ValueKind != JsonValueKind.Object)
            return false;
        foreach (JsonProperty property in capabilities.EnumerateObject())
        {
            bool isGood = property.Name switch
            {
                Descriptors or PageSizes or DmaMaps => property.Value.ValueKind == JsonValueKind.Number && property.Value.TryGetUInt64(out _),
                Transfer => TryReadTransfer(property.Value),
                WriteMultiple => property.Value.ValueKind is JsonValueKind.True or JsonValueKind.False,
                _ => true,
            };
            if (!isGood)
                return false;
            if (property.Value.ValueKind != JsonValueKind.False)
                _ = _named.Add(property.Name);
        }

        return true;
    }

    private bool TryReadTransfer(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetUInt64(out ulong bytes) || bytes == 0)
            return false;
        ClientTransferMax = (int)Math.Min(bytes, TransferMax);
        return true;
    }
}
