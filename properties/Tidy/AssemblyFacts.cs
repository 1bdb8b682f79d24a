using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Dma.Properties;

/// <summary>What a compiled assembly names of other assemblies, read from its metadata without loading it.</summary>
internal sealed class AssemblyFacts
{
    private AssemblyFacts(MetadataReader reader)
    {
        Name = reader.GetString(reader.GetAssemblyDefinition().Name);
        References = [.. reader.AssemblyReferences.Select(handle => reader.GetString(reader.GetAssemblyReference(handle).Name))];
        Types = [.. reader.TypeReferences.Select(handle => TypeUse.Read(reader, handle))];
        Members = [.. reader.MemberReferences.Select(handle => MemberUse.Read(reader, reader.GetMemberReference(handle))).OfType<MemberUse>()];
        DefinedNamespaces = [.. reader.TypeDefinitions
            .Select(reader.GetTypeDefinition)
            .Where(type => type.GetDeclaringType().IsNil && !type.Namespace.IsNil)
            .Select(type => reader.GetString(type.Namespace)).Distinct()];
    }

    /// <summary>The libraries of the project: everything but programs, tests and measurements.</summary>
    public static IReadOnlyList<string> Libraries { get; } = ["Dma.Machine", "Dma.Iommu", "Dma.UsbDevice", "Dma.Hal", "Dma.Vmm", "Dma.Drivers", "Dma.Devices"];

    /// <summary>The name of the assembly.</summary>
    public string Name { get; }

    /// <summary>The assemblies that it refers to.</summary>
    public IReadOnlyList<string> References { get; }

    /// <summary>The types of other assemblies that it names.</summary>
    public IReadOnlyList<TypeUse> Types { get; }

    /// <summary>The members of other assemblies that it names.</summary>
    public IReadOnlyList<MemberUse> Members { get; }

    /// <summary>The namespaces in which it defines types.</summary>
    public IReadOnlyList<string> DefinedNamespaces { get; }

    /// <summary>Reads an assembly that lies beside the tests.</summary>
    public static AssemblyFacts Read(string name)
    {
        using PEReader file = new(File.OpenRead(Path.Combine(AppContext.BaseDirectory, name + ".dll")));
        return new(file.GetMetadataReader());
    }
}

/// <summary>A type of another assembly; of a nested type the outermost one.</summary>
internal sealed record TypeUse(string Assembly, string Namespace, string Name)
{
    public string FullName => $"{Namespace}.{Name}";

    public static TypeUse Read(MetadataReader reader, TypeReferenceHandle handle)
    {
        TypeReference type = reader.GetTypeReference(handle);
        return type.ResolutionScope.Kind switch
        {
            HandleKind.TypeReference => Read(reader, (TypeReferenceHandle)type.ResolutionScope),
            HandleKind.AssemblyReference => new(
                reader.GetString(reader.GetAssemblyReference((AssemblyReferenceHandle)type.ResolutionScope).Name),
                reader.GetString(type.Namespace), reader.GetString(type.Name)),
            _ => new("", reader.GetString(type.Namespace), reader.GetString(type.Name)),
        };
    }
}

/// <summary>A method of a type of another assembly, with its number of parameters.</summary>
internal sealed record MemberUse(string Type, string Name, int Parameters)
{
    /// <summary>Reads a method; null for fields, and for members of constructed types.</summary>
    public static MemberUse? Read(MetadataReader reader, MemberReference member)
    {
        if (member.Parent.Kind != HandleKind.TypeReference || member.GetKind() != MemberReferenceKind.Method)
            return null;
        BlobReader signature = reader.GetBlobReader(member.Signature);
        if (signature.ReadSignatureHeader().IsGeneric)
            _ = signature.ReadCompressedInteger();
        return new(TypeUse.Read(reader, (TypeReferenceHandle)member.Parent).FullName, reader.GetString(member.Name), signature.ReadCompressedInteger());
    }
}
